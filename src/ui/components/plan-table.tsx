import type { MemoryPlan } from '../../engine/index.ts';
import { formatBytes, formatCount, formatParameters } from '../state/format.ts';

/** What loading a model takes on this device, known before its weights are downloaded. */
export function PlanTable({ plan }: { readonly plan: MemoryPlan }) {
  return (
    <div class="plan">
      <dl>
        <Row name="Model" value={`${plan.modelType}, ${formatParameters(plan.parameters)} parameters`} />
        <Row name="Licence" value={plan.licence ?? 'not stated by its files'} />
        <Row name="Download" value={formatBytes(plan.downloadBytes)} />
        <Row name="Weights" value={`${formatBytes(plan.weightBytes)} · ${plan.weightsDescription}`} />
        <Row
          name="Context"
          value={`${formatCount(plan.contextLength)} tokens · KV cache ${formatBytes(plan.kvCacheBytes)}`}
        />
        <Row name="Sparse attention" value={`${formatBytes(plan.hashBytes)} when it is first used`} />
        <Row
          name="In memory"
          value={`${formatBytes(plan.totalBytes)}, of which ${formatBytes(plan.scratchBytes)} scratch`}
        />
        <Row
          name="Device"
          value={
            plan.device.isCpu ? `${plan.device.description} (on the CPU: slow)` : plan.device.description
          }
        />
      </dl>
      {plan.contextExtension && (
        <p class="note">
          Beyond the trained context of {formatCount(plan.trainedContext)} tokens, by YaRN with factor{' '}
          {plan.contextExtension.factor.toFixed(2)}: the model was not trained for this and may answer worse.
        </p>
      )}
      {plan.problems.length > 0 && (
        <div class="fault" role="alert">
          <h3>This device cannot load it so</h3>
          <ul>
            {plan.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function Row({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
