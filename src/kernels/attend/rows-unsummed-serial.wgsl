// Without a tail nobody asks for the sums of the attended rows.
fn addRows(list: u32, split: u32, rows: ptr<function, array<u32, tile>>, count: u32, isFirst: bool) {}

fn clearRows(list: u32, split: u32) {}
