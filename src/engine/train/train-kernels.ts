/** The kernels of a training step, compiled for a device. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { prepareTrainActivate, type TrainActivate } from '../../kernels/train-activate/train-activate.ts';
import { prepareTrainAdam, type TrainAdam } from '../../kernels/train-adam/train-adam.ts';
import { prepareTrainGather, type TrainGather } from '../../kernels/train-gather/train-gather.ts';
import { prepareTrainLoss, type TrainLoss, type TrainLossKind } from '../../kernels/train-loss/train-loss.ts';
import { prepareTrainProduct, type TrainProduct } from '../../kernels/train-product/train-product.ts';
import { prepareTrainRecall, type TrainRecall } from '../../kernels/train-recall/train-recall.ts';
import { prepareTrainSum, type TrainSum } from '../../kernels/train-sum/train-sum.ts';
import { prepareTrainTarget, type TrainTarget } from '../../kernels/train-target/train-target.ts';

export interface TrainKernels {
  readonly product: TrainProduct;
  readonly sum: TrainSum;
  readonly activate: TrainActivate;
  readonly gather: TrainGather;
  readonly target: TrainTarget;
  readonly loss: TrainLoss;
  readonly adam: TrainAdam;
  readonly recall: TrainRecall;
}

export async function prepareTrainKernels(gpu: Gpu, loss: TrainLossKind): Promise<TrainKernels> {
  const [product, sum, activate, gather, target, lossKernel, adam, recall] = await Promise.all([
    prepareTrainProduct(gpu),
    prepareTrainSum(gpu),
    prepareTrainActivate(gpu),
    prepareTrainGather(gpu),
    prepareTrainTarget(gpu),
    prepareTrainLoss(gpu, loss),
    prepareTrainAdam(gpu),
    prepareTrainRecall(gpu),
  ]);
  return { product, sum, activate, gather, target, loss: lossKernel, adam, recall };
}
