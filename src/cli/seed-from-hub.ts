import { EXIT } from '../errors.ts'
import { type CommonFlags, initCommand, reconcileCommand, type Surroundings } from './commands.ts'

/** What the first round brings may bring more into scope (parents of parents, parts of archives). */
const MAX_ROUNDS = 10

/**
 * The seed of a site without a dump: staging is prepared (`init`), then reconciled until nothing differs, all from prod's API. Exit code 0:
 * equal; else as of `init` and `reconcile`.
 */
export async function seedFromHub(
  around: Surroundings,
  flags: CommonFlags & { readonly json: boolean; readonly tag: readonly string[] },
): Promise<number> {
  const prepared = await initCommand(around, { ...flags, printGrants: false })
  if (prepared !== EXIT.ok) return prepared
  for (let round = 1; ; round += 1) {
    const code = await reconcileCommand(around, { ...flags, dryRun: false })
    if (code !== EXIT.drift || round === MAX_ROUNDS) return code
  }
}
