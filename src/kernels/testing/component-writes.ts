/** Writes to one component of a vector that invocations share. WGSL lets such a write access all of the vector, so that
 *  two invocations race that write different components of one; Metal does this. */
import { invariant } from '../../errors.ts';

/** Every such write to workgroup or storage memory in a kernel's WGSL, as it stands there; also through `let p = &…`. */
export function componentWrites(source: string): string[] {
  const code = withoutPointers(source.replace(/\/\/.*$/gm, ''));
  invariant(
    !/\bptr<\s*(workgroup|storage)/.test(code),
    'pointers to shared memory are not followed into functions',
  );
  const structs = structsOf(code);
  const writes: string[] = [];
  for (const [, name, declared] of code.matchAll(/\bvar<(?:workgroup|storage)[^>]*>\s*(\w+)\s*:([^;]*);/g)) {
    for (const { index } of code.matchAll(new RegExp(`(?<![.&\\w])${name}\\b`, 'g'))) {
      const { accessors, end } = accessorsAt(code, index + name!.length);
      if (!/^\s*([-+*/%&|^]|<<|>>)?=(?!=)|^\s*(\+\+|--)/.test(code.slice(end))) continue;
      if (isInsideVector(declared!.trim(), accessors, structs)) writes.push(code.slice(index, end));
    }
  }
  return writes;
}

type Structs = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** `let p = &path;` put in place of `(*p)`. */
function withoutPointers(code: string): string {
  return code.replace(/\(\*(\w+)\)/g, (whole: string, pointer: string, at: number) => {
    const declarations = [...code.slice(0, at).matchAll(new RegExp(`\\blet ${pointer} = &([^;]*);`, 'g'))];
    return declarations.at(-1)?.[1] ?? whole;
  });
}

function structsOf(code: string): Structs {
  const structs = [...code.matchAll(/\bstruct\s+(\w+)\s*\{([^}]*)\}/g)];
  return new Map(
    structs.map(([, name, body]) => {
      const fields = [...body!.matchAll(/(\w+)\s*:\s*((?:[^,<]|<(?:[^<>]|<[^<>]*>)*>)+)/g)];
      return [name!, new Map(fields.map(([, field, type]) => [field!, type!.trim()]))];
    }),
  );
}

/** `[…]` and `.name` from a place in the code on. */
function accessorsAt(code: string, start: number): { accessors: string[]; end: number } {
  const accessors: string[] = [];
  let end = start;
  for (;;) {
    const field = /^\s*\.\s*\w+/.exec(code.slice(end))?.[0];
    const bracket = /^\s*\[/.exec(code.slice(end))?.[0];
    if (!field && !bracket) return { accessors, end };
    let next = end + (field ?? bracket!).length;
    for (let depth = bracket ? 1 : 0; depth > 0; next++) {
      if (code[next] === '[') depth++;
      if (code[next] === ']') depth--;
    }
    accessors.push(code.slice(end, next).trim());
    end = next;
  }
}

function isInsideVector(type: string, accessors: readonly string[], structs: Structs): boolean {
  const [accessor, ...rest] = accessors;
  if (accessor === undefined) return false;
  if (type.startsWith('vec')) return true;
  const element = /^array<((?:[^,<]|<(?:[^<>]|<[^<>]*>)*>)+)/.exec(type)?.[1];
  const rows = /^mat\dx(\d)/.exec(type)?.[1];
  const inner = element ?? (rows ? `vec${rows}f` : structs.get(type)?.get(accessor.replace(/^\.\s*/, '')));
  invariant(inner !== undefined, `${accessor} of ${type}: a type this test support does not know`);
  return isInsideVector(inner.trim(), rest, structs);
}
