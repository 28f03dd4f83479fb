// Where every attended token can be told at once, a cursor holds nothing.
struct Cursor {
  unused: u32,
}

fn cursorAt(list: u32, start: u32, end: u32) -> Cursor {
  return Cursor(0u);
}

fn tokenFrom(cursor: ptr<function, Cursor>, list: u32, i: u32) -> u32 {
  return tokenAt(list, i);
}
