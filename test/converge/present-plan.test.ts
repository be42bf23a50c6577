import { expect, it, onTestFinished } from 'vitest'
import { readPresent } from '../../src/converge/build/present.ts'
import { TestSync } from './support.ts'

it('reads a build without going through the records of all others, also by a plan that was made when there were none', async () => {
  const sync = await TestSync.open({ scope: { builds: 'all' } })
  onTestFinished(() => sync.close())
  const made = await sync.prod.importBuild({
    name: 'bash',
    version: '1',
    release: '1',
    rpms: [{ arch: 'src' }],
  })
  await sync.queue.mark([{ key: { kind: 'build', buildId: made.id }, priority: 'sweep' }])
  await sync.drain()
  for (const table of ['staging_sync.owned', 'rpminfo', 'build']) await sync.local.rows(`analyze ${table}`)
  await sync.database.query(
    'test.more',
    `insert into staging_sync.owned (kind, prod_id, staging_id) select 'rpm', n, n from generate_series(5000, 25000) n`,
    [],
    { prepare: false },
  )
  const seed = { seedEvent: null, creationEvent: 1, rpms: new Set<number>(), archives: new Set<number>() }
  const read = await sync.database.transaction('test', async (tx) => {
    const present = await readPresent(tx, sync.catalog, made.id, seed)
    const [row] = await tx.query<{ rows: number }>(
      'test.read',
      `select idx_tup_fetch + seq_tup_read as rows from pg_stat_xact_user_tables where relid = 'staging_sync.owned'::regclass`,
      [],
      { prepare: false },
    )
    return { rpms: present?.prodRpms.size, rows: row?.rows }
  })
  expect(read.rpms).toBe(1)
  expect(read.rows).toBeLessThan(100)
})
