import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SafetyError } from '../../src/errors.ts'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import { readKeyState } from '../../src/staging/key-state.ts'
import { startHub } from '../sim/hub.ts'
import { Fault } from '../sim/wire-value.ts'
import { testDatabase } from '../support/postgres.ts'
import { snapshotTag } from './snapshot.ts'
import { Crash, TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open()
})
afterAll(() => sync.close())

const expectEqual = async (name: string): Promise<void> => {
  expect(await snapshotTag(sync.local, name), name).toEqual(await snapshotTag(sync.prod, name))
}

/** The names of all statements of one run that changes `key`, in order. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = []
  sync.onStep = (name) => {
    names.push(name)
    return undefined
  }
  await work()
  sync.onStep = () => undefined
  return names
}

describe('a crash', () => {
  it('before the commit leaves nothing, at whatever statement; the next run makes it whole', async () => {
    const { prod } = sync
    const id = await prod.addTag('crash', { arches: 'x86_64', extra: { a: 1 } })
    await prod.addTag('crash-parent')
    const key = `tag/${id}`
    await sync.sync([key, 'tag/crash-parent'])
    const change = async (value: number): Promise<void> => {
      await prod.editTag('crash', { arches: `arch${value}` })
      await prod.setExtra('crash', 'a', value)
      await prod.setInheritance('crash', value % 2 === 0 ? [] : [{ parent: 'crash-parent', priority: value }])
    }
    await change(2)
    const statements = await statementsOf(() => sync.sync([key]))
    const begin = statements.indexOf('sql.converge.begin')
    const commit = statements.indexOf('sql.converge.commit')
    expect(begin).toBeGreaterThan(0)
    expect(commit).toBeGreaterThan(begin + 5)

    for (let at = begin; at <= commit; at += 1) {
      await change(at + 100)
      const before = await sync.fingerprint()
      let count = 0
      sync.onStep = (name) => {
        if (name === 'sql.converge.begin') count = begin
        else if (count > 0) count += 1
        if (count === at) {
          count = -1_000
          throw new Crash(name)
        }
        return undefined
      }
      await expect(sync.sync([key])).rejects.toThrow(Crash)
      sync.onStep = () => undefined
      expect(await sync.fingerprint(), `after a crash at statement ${at - begin}`).toEqual(before)
      await sync.drain()
      await expectEqual('crash')
      expect(await sync.queued()).toEqual([])
    }
  })

  it('while a tag is first made is healed, its content included', async () => {
    const { prod } = sync
    const make = async (name: string): Promise<string> => {
      const id = await prod.addTag(name, { extra: { a: 1 } })
      await prod.addPackage(name, 'bash')
      return `tag/${id}`
    }
    const model = await make('made-model')
    const statements = await statementsOf(() => sync.sync([model]))
    const first = statements.findIndex((name) => name.startsWith('sql.named.place'))
    const last = statements.indexOf('sql.converge.commit')
    for (let at = first; at <= last; at += 2) {
      const name = `made-${at}`
      const key = await make(name)
      let count = 0
      sync.onStep = (statement) => {
        count += 1
        if (count === at) throw new Crash(statement)
        return undefined
      }
      await sync.sync([key]).catch((error) => expect(error).toBeInstanceOf(Crash))
      sync.onStep = () => undefined
      // What a dead daemon held is free when its lease ends.
      await sync.database.query(
        'test.lease',
        `update staging_sync.queue set lease_until = null, token = null, due_at = now()`,
      )
      await sync.drain()
      await expectEqual(name)
      expect(await sync.queued()).toEqual([])
    }
  })
})

describe('others at work', () => {
  it('a hub transaction that holds a row makes us come again, and never wait', async () => {
    const { prod, local } = sync
    const id = await prod.addTag('busy', { arches: 'x86_64' })
    const key = `tag/${id}`
    await sync.sync([key])
    await prod.editTag('busy', { arches: 'i686' })
    const open = await local.begin()
    await open.editTag('busy', { arches: 'arm' })
    const waits: unknown[] = []
    let rounds = 0
    sync.onStep = async (name) => {
      if (name === 'sql.rollback' || name === 'sql.versioned.revoke.tag_config') rounds += 1
      waits.push(
        ...(await local.rows(
          `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        )),
      )
      if (rounds === 3) {
        rounds += 1
        await open.commit()
      }
    }
    await sync.sync([key])
    sync.onStep = () => undefined
    expect(rounds).toBeGreaterThan(3)
    expect(waits).toEqual([])
    // prod-wins: what the hub committed meanwhile was a local edit.
    await expectEqual('busy')
  })

  it('a change of the hub between our read and our write is seen in the transaction', async () => {
    const { prod, local } = sync
    const id = await prod.addTag('between', { arches: 'x86_64' })
    const key = `tag/${id}`
    await sync.sync([key])
    await prod.editTag('between', { arches: 'i686' })
    let done = false
    sync.onStep = async (name) => {
      if (name !== 'sql.converge.begin' || done) return
      done = true
      await local.setExtra('between', 'mine', 1)
      await local.editTag('between', { locked: true })
    }
    await sync.sync([key])
    sync.onStep = () => undefined
    const now = await snapshotTag(local, 'between')
    expect(now?.tag_config).toEqual([expect.objectContaining({ arches: 'i686', locked: false })])
    expect(now?.tag_extra).toEqual([{ key: 'mine', value: '1' }])
  })

  it('a mark while we converge gives another round, which sees what prod has then', async () => {
    const { prod } = sync
    const id = await prod.addTag('marked', { arches: 'x86_64' })
    const key = { kind: 'tag', tagId: id } as const
    await sync.sync([key])
    await prod.editTag('marked', { arches: 'i686' })
    let done = false
    sync.onStep = async (name) => {
      if (name !== 'sql.converge.begin' || done) return
      done = true
      await prod.editTag('marked', { arches: 'arm' })
      await sync.queue.mark([{ key, priority: 'live' }])
    }
    await sync.sync([key])
    sync.onStep = () => undefined
    await expectEqual('marked')
  })

  it('who lost the claim writes nothing', async () => {
    const { prod } = sync
    const id = await prod.addTag('lost', { arches: 'x86_64' })
    await sync.sync([`tag/${id}`])
    await prod.editTag('lost', { arches: 'i686' })
    const before = await sync.fingerprint()
    sync.onStep = async (name) => {
      if (name !== 'sql.converge.begin') return
      sync.onStep = () => undefined
      await sync.database.query(
        'test.steal',
        'update staging_sync.queue set token = token + 1000000 where key = $1',
        [`tag/${id}`],
      )
    }
    await expect(sync.sync([`tag/${id}`])).rejects.toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    expect(await sync.fingerprint()).toEqual(before)
    await sync.clearQueue()
  })
})

describe('what prod answers', () => {
  it('a tag that is edited between the calls of one request is read again', async () => {
    const { prod, hub } = sync
    const id = await prod.addTag('torn', { arches: 'x86_64' })
    await sync.sync([`tag/${id}`])
    await prod.setExtra('torn', 'a', 1)
    hub.knobs.clear()
    hub.knobs.beforeNext('queryHistory', async () => {
      await prod.editTag('torn', { arches: 'i686' })
    })
    await sync.sync([`tag/${id}`])
    await expectEqual('torn')
    expect(hub.knobs.counts.get('getTag')).toBe(4)
  })

  it('an external repo that is added between the calls is read with its arches', async () => {
    const { prod, hub } = sync
    const id = await prod.addTag('torn-repo')
    await prod.addExternalRepo('torn-repo', 'https://example.org/x/')
    await sync.sync([`tag/${id}`, 'external-repo/torn-repo'])
    hub.knobs.beforeNext('queryHistory', async () => {
      await prod.addExternalRepoToTag('torn-repo', 'torn-repo', { priority: 1, arches: 'x86_64' })
    })
    await sync.sync([`tag/${id}`])
    await expectEqual('torn-repo')
  })

  it('a fault of one call is never taken for a deletion', async () => {
    const { prod, hub } = sync
    const id = await prod.addTag('faulty', { arches: 'x86_64' })
    await sync.sync([`tag/${id}`])
    // A revoked row of its config, which a deletion would be proved by.
    await prod.editTag('faulty', { arches: 'i686' })
    const before = await sync.fingerprint()
    hub.knobs.beforeNext('getTagExternalRepos', async () => {
      throw new Fault(1000, 'No such entry in table external_repo')
    })
    expect(await sync.one(`tag/${id}`)).toMatchObject({ kind: 'failed', code: 'HUB_FAULT' })
    expect(await sync.fingerprint()).toEqual(before)
    await sync.sync([`tag/${id}`])
    await expectEqual('faulty')
  })

  it('a tag that comes back while its deletion is looked at is not deleted', async () => {
    const { prod, hub } = sync
    const id = await prod.addTag('phoenix', { extra: { a: 1 } })
    await sync.sync([`tag/${id}`])
    await prod.deleteTag('phoenix')
    const revoked: string[] = []
    sync.onStep = (name) => {
      if (name.startsWith('sql.versioned.revoke')) revoked.push(name)
      return undefined
    }
    let asked = 0
    const again = async (): Promise<void> => {
      asked += 1
      if (asked === 2) await prod.recreateTag('phoenix', { arches: 'i686' })
      else hub.knobs.beforeNext('queryHistory', again)
    }
    hub.knobs.beforeNext('queryHistory', again)
    await sync.sync([`tag/${id}`])
    sync.onStep = () => undefined
    expect(asked).toBe(2)
    await expectEqual('phoenix')
  })

  it('another hub, which never had our tags, stops all writing', async () => {
    const id = await sync.prod.addTag('ours-for-sure')
    await sync.sync([`tag/${id}`])
    const empty = await testDatabase({ koji: '1.35.0' })
    const hub = await startHub({ databaseUrl: empty.url })
    const client = new XmlRpcHub({ url: hub.url, requestsPerSecond: 1000, concurrency: 2, timeoutMs: 5_000 })
    const before = await sync.fingerprint()
    const failure = sync.sync([`tag/${id}`], { hub: client })
    await expect(failure).rejects.toThrow(SafetyError)
    await expect(failure).rejects.toMatchObject({ code: 'HUB_LOST_TAG' })
    expect(await sync.fingerprint()).toEqual(before)
    await sync.clearQueue()
    await client.destroy()
    await hub.close()
    await empty.drop()
  })

  it('rows that merely vanish are removed up to the budget, and what wants their place waits with the rest', async () => {
    const { prod, local, hub } = sync
    const id = await prod.addTag('vanish')
    await prod.addGroup('vanish', 'build')
    await prod.rows(
      `insert into group_package_listing (tag_id, group_id, package, type, creator_id, create_event)
         select $1, g.id, 'p' || n, 'mandatory', 1, (select max(id) from events)
           from groups g, generate_series(1, 1010) n where g.name = 'build'`,
      [id],
    )
    await sync.sync([`tag/${id}`])
    await expectEqual('vanish')
    const before = await readKeyState(sync.database, `tag/${id}`)
    hub.knobs.dropRows('queryHistory', (row) => typeof row.package === 'string')
    await prod.setExtra('vanish', 'a', 1)
    expect(await sync.one(`tag/${id}`)).toMatchObject({
      kind: 'held',
      reason: '10 unproved removals are over the budget',
    })
    const now = await snapshotTag(local, 'vanish')
    expect(now?.group_package_listing).toHaveLength(10)
    expect(now?.tag_extra).toHaveLength(1)
    // What it still shows is not prod's at its newest event: a compose at that event must not be told so.
    expect(await readKeyState(sync.database, `tag/${id}`)).toEqual(before)
    hub.knobs.keepRows('queryHistory')
    await sync.sync([`tag/${id}`])
    expect((await readKeyState(sync.database, `tag/${id}`)).lastApplied).toBeGreaterThan(
      before.lastApplied ?? 0,
    )
    await expectEqual('vanish')
  })

  it('a parent that is parked is left out, said, and put in when it comes', async () => {
    const { prod } = sync
    const parent = await prod.addTag('hopeless', { arches: 'x86_64' })
    const id = await prod.addTag('hopeful', { parent: 'hopeless', extra: { a: 1 } })
    const [claim] = await sync.queue.markAndClaim([{ key: { kind: 'tag', tagId: parent }, priority: 'live' }])
    if (claim === undefined) throw new Error('no claim')
    await sync.queue.fail(claim, { code: 'TEST', reason: 'it is hopeless', park: true })
    expect((await sync.sync([`tag/${id}`])).get(`tag/${id}`)).toMatchObject({ kind: 'held' })
    expect((await snapshotTag(sync.local, 'hopeful'))?.tag_extra).toHaveLength(1)
    expect(await sync.clashes(`tag/${id}`)).toMatchObject([{ kind: 'missing', prod: { name: 'hopeless' } }])
    await sync.sync([`tag/${parent}`])
    await expectEqual('hopeful')
    expect(await sync.clashes(`tag/${id}`)).toEqual([])
  })
})

describe('prod newer than staging', () => {
  it('what staging has no place for is named and parked, everything else goes on', async () => {
    const mixed = await TestSync.open({ version: 'HEAD', stagingVersion: '1.21.0' })
    try {
      const { prod, local } = mixed
      const fine = await prod.addTag('fine', { arches: 'x86_64', extra: { a: 1 } })
      const blocked = await prod.addTag('blocked')
      await prod.blockExtra('blocked', 'a')
      await prod.addExternalRepo('repo', 'https://example.org/')
      const arches = await prod.addTag('arches')
      await prod.addExternalRepoToTag('arches', 'repo', { priority: 1, arches: 'x86_64' })
      const plain = await prod.addTag('plain')
      await prod.addExternalRepoToTag('plain', 'repo', { priority: 1 })
      const ended = await mixed.sync([`tag/${fine}`, `tag/${blocked}`, `tag/${arches}`, `tag/${plain}`])
      const failed = { kind: 'failed', code: 'SCHEMA_CANNOT_HOLD' }
      expect(ended.get(`tag/${fine}`)).toMatchObject({ kind: 'applied' })
      expect(ended.get(`tag/${plain}`)).toMatchObject({ kind: 'applied' })
      expect(ended.get(`tag/${blocked}`)).toMatchObject({
        ...failed,
        reason: expect.stringContaining('tag_extra.value'),
      })
      expect(ended.get(`tag/${arches}`)).toMatchObject({
        ...failed,
        reason: expect.stringContaining('tag_external_repos.arches'),
      })
      for (const name of ['fine', 'plain']) {
        expect(await snapshotTag(local, name)).toEqual(await snapshotTag(prod, name))
      }
    } finally {
      await mixed.close()
    }
  })
})
