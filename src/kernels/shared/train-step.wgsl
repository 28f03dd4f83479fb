// What changes from one training step to the next, in GPU memory.
struct TrainStep {
  beta: f32,        // of tanh(β · x), which stands for the sign
  rate: f32,        // learning rate
  correction1: f32, // 1 / (1 − beta1^step)   (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1)
  correction2: f32, // 1 / (1 − beta2^step)
}
