/** Signature maps learned in the browser, in place of the model's own. */
import { hashMapsFile, parseHashMaps } from '../../model/hash-maps.ts';
import { parseSafetensorsHeader } from '../../model/safetensors.ts';
import { writeLearnedFile } from '../source/storage/learned-file.ts';
import type { ModelFolder } from '../source/storage/stored-model.ts';
import type { TextSide } from '../text-engine.ts';
import type { SignaturesKept } from '../train/train-types.ts';

/** Puts learned maps in place of the model's own, from the next step on, and keeps them with the model; null: the model's
 *  own again. Waits for its turn among the requests.
 *  @throws AppError "file-malformed", "model-unsupported" for maps that are none of this model; the ones before then stay. */
export async function useSignatures(
  { parts, generator, disposal }: TextSide,
  maps: Uint8Array<ArrayBuffer> | null,
): Promise<SignaturesKept> {
  const { tokens, learned } = parts;
  const use = async (): Promise<SignaturesKept> => {
    await tokens.withNetwork(async ({ network }) => {
      if (maps) {
        const header = parseSafetensorsHeader(maps, { file: hashMapsFile, fileSize: maps.length });
        parseHashMaps(header, network.config);
      }
      learned.bytes = maps;
      network.forgetMaps();
    });
    // within the turn, so that storage too ends with the last choice
    return keep(learned.folder, maps);
  };
  return generator.turns.run(use, disposal);
}

async function keep(
  folder: ModelFolder | null,
  maps: Uint8Array<ArrayBuffer> | null,
): Promise<SignaturesKept> {
  if (!folder) {
    if (!maps) return { kind: 'browser' }; // nothing is stored that could return
    return { kind: 'session', reason: 'this browser keeps no files of this model' };
  }
  try {
    await writeLearnedFile(folder, maps);
    return { kind: 'browser' };
  } catch (cause) {
    return { kind: 'session', reason: cause instanceof Error ? cause.message : String(cause) };
  }
}
