/** A variable of the environment that the tests were started in: Node has it itself, a browser what vite.config.ts hands on. */
export function environmentVariable(name: 'TEST_GPU' | 'TEST_SEED'): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  // Vite looks for these very words
  const handedOn = (import.meta as unknown as { env?: Record<string, string | undefined> }).env;
  return process?.env?.[name] ?? handedOn?.[name];
}
