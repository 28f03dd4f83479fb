// Without a tail nobody asks for the sums of the attended rows.
fn addKey(isToken: bool, key: Row) {}

fn addValue(isToken: bool, value: Row) {}

fn finishRows(split: u32, list: u32, thread: u32) {}
