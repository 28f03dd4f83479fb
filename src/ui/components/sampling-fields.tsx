import { type SamplingSettings, samplingFields } from '../state/settings.ts';
import { NumberField } from './number-field.tsx';

/** One field per sampling setting; a value that is not allowed is shown as such and not taken. */
export function SamplingFields(props: {
  readonly sampling: SamplingSettings;
  /** What empty fields stand for, where it is known. */
  readonly defaults: SamplingSettings;
  readonly onChange: (sampling: SamplingSettings) => void;
}) {
  return (
    <div class="fields">
      {samplingFields.map((field) => (
        <NumberField
          key={field.name}
          field={field}
          value={props.sampling[field.name]}
          standard={props.defaults[field.name]}
          onChange={(value) => props.onChange({ ...props.sampling, [field.name]: value })}
        />
      ))}
    </div>
  );
}
