// The queries of a workgroup's heads and their products with K rows. In registers they would take 32 of a lane, and
// fewer workgroups would run side by side; so they stay in workgroup memory: four heads of a set to a vector, one for
// each dimension, in units of log2(e) / sqrt(headDim). headDim, lanes, octets, sets, threads: overrides of
// attend-split.wgsl.
override rowPlaces = lanes * octets; // octets of a row, and zeros beyond it
override columnsPerSet = 8u * rowPlaces;

// By set, dimension of an octet, and octet, so that neighbouring lanes read neighbouring vectors.
var<workgroup> queryColumns: array<vec4f, columnsPerSet * sets>;

// Fills queryColumns, by all invocations; a component without a head repeats the last one, and nobody writes its sums.
fn keepQueries(firstHead: u32, endHead: u32, thread: u32) {
  let rowVectors = headDim / 4u;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  for (var i = thread; i < sets * rowVectors; i += threads) {
    let vector = i % rowVectors;
    let head = firstHead + 4u * (i / rowVectors) + vec4u(0u, 1u, 2u, 3u);
    let at = min(head, vec4u(endHead - 1u)) * rowVectors + vector;
    let columns = scale * transpose(mat4x4f(query[at.x], query[at.y], query[at.z], query[at.w]));
    let to = i / rowVectors * columnsPerSet + vector % 2u * 4u * rowPlaces + vector / 2u;
    queryColumns[to] = columns[0];
    queryColumns[to + rowPlaces] = columns[1];
    queryColumns[to + 2u * rowPlaces] = columns[2];
    queryColumns[to + 3u * rowPlaces] = columns[3];
  }
  workgroupBarrier();
}

// A lane's share of the scores of four tokens, a column each. `at`: where its first octet's columns begin.
fn productsOf(at: u32, key0: Row, key1: Row, key2: Row, key3: Row) -> mat4x4f {
  var products = withOctet(mat4x4f(), at, key0.near, key1.near, key2.near, key3.near);
  if (octets > 1u) {
    products = withOctet(products, at + lanes, key0.far, key1.far, key2.far, key3.far);
  }
  return products;
}

fn withOctet(products: mat4x4f, at: u32, key0: vec4u, key1: vec4u, key2: vec4u, key3: vec4u) -> mat4x4f {
  let first = withPair(products, at, key0.x, key1.x, key2.x, key3.x);
  let second = withPair(first, at + 2u * rowPlaces, key0.y, key1.y, key2.y, key3.y);
  let third = withPair(second, at + 4u * rowPlaces, key0.z, key1.z, key2.z, key3.z);
  return withPair(third, at + 6u * rowPlaces, key0.w, key1.w, key2.w, key3.w);
}

// Two dimensions: a word of each key.
fn withPair(products: mat4x4f, at: u32, key0: u32, key1: u32, key2: u32, key3: u32) -> mat4x4f {
  let even = queryColumns[at];
  let odd = queryColumns[at + rowPlaces];
  return mat4x4f(
    withProducts(products[0], even, odd, unpack2x16float(key0)),
    withProducts(products[1], even, odd, unpack2x16float(key1)),
    withProducts(products[2], even, odd, unpack2x16float(key2)),
    withProducts(products[3], even, odd, unpack2x16float(key3)),
  );
}

fn withProducts(sum: vec4f, even: vec4f, odd: vec4f, key: vec2f) -> vec4f {
  return fma(odd, vec4f(key.y), fma(even, vec4f(key.x), sum));
}
