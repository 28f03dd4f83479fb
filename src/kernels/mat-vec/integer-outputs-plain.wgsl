// Nobody reads the outputs as integers.
fn keepOutput(output: u32, value: f32) {}

fn packOutputs(firstTeam: u32, local: u32) {}
