// Where the sequence stands, in GPU memory, shared by the kernels of one list of dispatches.
struct Step {
  position: u32, // tokens in the cache before this list runs
  rows: u32,     // tokens this list processes: 1 in decode
  index: u32,    // steps since the generation began
  flags: u32,
}
