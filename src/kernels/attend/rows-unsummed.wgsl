// Without a tail nobody asks for the sums of the attended rows.
fn addRow(o: u32, isToken: bool, key: vec4u, value: vec4u) {}

fn finishRows(split: u32, headBlock: u32, thread: u32) {}
