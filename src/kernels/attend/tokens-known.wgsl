// Where every attended token can be told at once, there is nothing to find on the way.
const roundTokens = 0x40000000u;

fn beginTokens(list: u32, start: u32, end: u32, thread: u32) {}

fn findTokens(list: u32, first: u32, end: u32, thread: u32) {}
