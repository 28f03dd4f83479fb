// query-planes.wgsl with subgroups: sums in workgroup memory; then each subgroup makes all planes by itself, and the first
// one's are kept. A lane has every element that is its own index modulo the subgroup's size.
override threads: u32;  // of a workgroup, a power of two
override planes: u32;
override words: u32;    // of a signature: 1 or 2
override doubling: u32; // 1: each plane weighs twice the one before; 0: all weigh 1

@group(0) @binding(3) var<storage, read> mapped: array<f32>;

override bits = 32u * words;

var<workgroup> sums: array<f32, bits>;
var<workgroup> queryPlanes: array<u32, planes * words>;

// By all invocations; the planes are there afterwards.
fn makePlanes(list: u32, thread: u32) {
  let size = subgroupAdd(1u); // a power of two
  let lane = thread & (size - 1u);
  var scale = 1.0;
  if (doubling == 1u) {
    if (thread < bits) {
      sums[thread] = sumAt(list, thread);
    }
    workgroupBarrier();
    var largest = 0.0;
    for (var i = lane; i < bits; i += size) {
      largest = max(largest, abs(sums[i]));
    }
    // Positive numbers are in the order of their bits, whose maximum takes one instruction on some devices.
    scale = levelScale(bitcast<f32>(subgroupMax(bitcast<u32>(largest))), planes);
  }
  for (var first = 0u; first < bits; first += size) {
    let i = first + lane;
    var level = 0u;
    if (doubling == 1u && i < bits) {
      level = levelsOf(vec4f(sums[i]), scale, planes).x;
    }
    var marks = vec2u(0u);
    for (var plane = 0u; plane < planes; plane++) {
      var isSet = ((level >> plane) & 1u) == 1u;
      if (doubling == 0u) {
        isSet = i < bits && mapped[(list * planes + plane) * bits + i] > 0.0;
      }
      let all = subgroupBallot(isSet).xy;
      marks = select(marks, all, thread == plane);
    }
    if (thread < planes) {
      keepMarks(thread * words, first, marks, size);
    }
  }
  workgroupBarrier();
}

// Marks of a subgroup that begin at a bit of a plane, by whoever keeps that plane.
fn keepMarks(plane: u32, bit: u32, marks: vec2u, size: u32) {
  let word = plane + bit / 32u;
  let before = select(queryPlanes[word], 0u, bit % 32u == 0u);
  queryPlanes[word] = before | (marks.x << (bit % 32u));
  if (words == 2u && size > 32u) {
    queryPlanes[word + 1u] = marks.y;
  }
}

// Element i of the sum of a list's maps, in order of heads. Four heads are read before any is added.
fn sumAt(list: u32, i: u32) -> f32 {
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
