import { type Cluster, type DatabaseContent, startCluster } from './cluster.ts'
import { askKeeper, keeperAddress } from './keeper.ts'

/** A database of its own for one test file, on a server shared by the run. */
export interface TestDatabase {
  /** Connection address with user and password. */
  readonly url: string
  drop(): Promise<void>
}

let own: Promise<Cluster> | undefined

/**
 * A fresh database with the schema and first rows of a Koji of that version (default 1.35.0), or an empty one (`none`).
 * For `beforeAll`; call `drop` in `afterAll`. A test that stops its server uses `startCluster` instead.
 */
export async function testDatabase(options: { koji?: DatabaseContent } = {}): Promise<TestDatabase> {
  const koji = options.koji ?? '1.35.0'
  const keeper = keeperAddress()
  if (keeper) {
    const { name, url } = await askKeeper<{ name: string; url: string }>(keeper, { do: 'create', koji })
    return { url, drop: () => askKeeper<void>(keeper, { do: 'drop', name }) }
  }
  // Outside a vitest run (a script): a cluster of this process, which its guard removes at the end.
  own ??= startCluster()
  const cluster = await own
  const name = await cluster.createDatabase(koji)
  return { url: cluster.url(name), drop: () => cluster.dropDatabase(name) }
}
