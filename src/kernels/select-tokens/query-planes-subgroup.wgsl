// query-planes.wgsl with subgroups: each makes all planes by itself, without waiting for another; the first one's are
// kept. A lane has every element that is its own index modulo the subgroup's size.
override threads: u32;  // of a workgroup, a power of two
override planes: u32;
override words: u32;    // of a signature: 1 or 2
override doubling: u32; // 1: each plane weighs twice the one before; 0: all weigh 1

@group(0) @binding(3) var<storage, read> mapped: array<f32>;

override bits = 32u * words;

var<workgroup> queryPlanes: array<u32, planes * words>;

// By all invocations; the planes are there afterwards.
fn makePlanes(list: u32, thread: u32) {
  let size = subgroupAdd(1u);
  let lane = subgroupExclusiveAdd(1u);
  var sum = 0.0;
  var scale = 1.0;
  if (doubling == 1u) {
    sum = sumAt(list, lane);
    var largest = abs(sum);
    for (var first = size; first < bits; first += size) {
      largest = max(largest, abs(sumAt(list, first + lane)));
    }
    scale = levelScale(subgroupMax(largest), planes);
  }
  for (var first = 0u; first < bits; first += size) {
    if (doubling == 1u && first > 0u) {
      sum = sumAt(list, first + lane);
    }
    let level = levelsOf(vec4f(sum), scale, planes).x;
    for (var plane = 0u; plane < planes; plane++) {
      var isSet = ((level >> plane) & 1u) == 1u;
      if (doubling == 0u) {
        isSet = first + lane < bits && mapped[(list * planes + plane) * bits + first + lane] > 0.0;
      }
      let marks = subgroupBallot(isSet);
      if (thread == 0u) {
        keepMarks(plane * words + first / 32u, first % 32u, marks.x);
        if (words == 2u && size > 32u) {
          keepMarks(plane * words + 1u, 0u, marks.y);
        }
      }
    }
  }
  workgroupBarrier();
}

// Marks of a subgroup that begin at a bit of a word.
fn keepMarks(word: u32, bit: u32, marks: u32) {
  if (bit == 0u) {
    queryPlanes[word] = marks;
  } else {
    queryPlanes[word] |= marks << bit;
  }
}

// Element i of the sum of a list's maps, in order of heads; zero beyond the last. Four heads are read before any is added.
fn sumAt(list: u32, i: u32) -> f32 {
  if (i >= bits) {
    return 0.0;
  }
  var sum = 0.0;
  for (var head = 0u; head < dims.summed; head += 4u) {
    let at = (list * dims.summed + min(head + vec4u(0u, 1u, 2u, 3u), vec4u(dims.summed - 1u))) * bits + i;
    let isHead = head + vec4u(1u, 2u, 3u, 3u) < vec4u(dims.summed);
    let a = mapped[at.x];
    let b = mapped[at.y];
    let c = mapped[at.z];
    let d = mapped[at.w];
    sum += a;
    sum += select(0.0, b, isHead.x);
    sum += select(0.0, c, isHead.y);
    sum += select(0.0, d, isHead.z);
  }
  return sum;
}
