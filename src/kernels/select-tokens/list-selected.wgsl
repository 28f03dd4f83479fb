// The selected tokens of a list in ascending order, a workgroup per chunk of its candidates.
// list: u32 [lists, listCapacity]
override threads: u32; // of a workgroup, a power of two

struct Dims {
  capacity: u32,
  countsAt: u32,
  chunks: u32,
  listCapacity: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(3) var<storage, read> counted: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> list: array<u32>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let listIndex = workgroup.y;
  let selection = selectionOf(listIndex, attended.selected, thread);
  let chunk = chunkAt(attended, dims.chunks, workgroup.x);
  var seen = chunkStarts[workgroup.x];
  let end = chunk.end * (groupTokens / unitTokens);
  for (var first = chunk.begin * (groupTokens / unitTokens); first < end; first += threads) {
    let unit = first + thread;
    var marks = vec2u(0u);
    if (unit < end) {
      marks = marksOf(unitAt(listIndex, unit), selection.threshold);
    }
    let own = countOneBits(marks);
    let sums = sumThrough(thread, packed(own));
    let before = seen + unpacked(sums.through) - own;
    seen += unpacked(sums.all);
    var taken = takenOf(marks, before, selection.skippedTies);
    var at = listIndex * dims.listCapacity + placeAfter(before, selection.skippedTies);
    while (taken != 0u) {
      list[at] = unitTokens * unit + lowestBit(taken);
      taken &= taken - 1u;
      at++;
    }
  }
}
