import { afterAll, beforeAll, expect, it } from 'vitest'
import { AgainError, OutageError } from '../../src/errors.ts'
import type { Database, Sql, Tx } from '../../src/staging/database.ts'
import { readServer, serverProblems } from '../../src/staging/server.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { openDatabase, run } from './world.ts'

let test: TestDatabase
let database: Database
beforeAll(async () => {
  test = await testDatabase({ koji: 'none' })
  database = await openDatabase(test.url)
  await run(database, 'create table things (id int primary key, n bigint, t timestamptz)')
})
afterAll(async () => {
  await database.destroy()
  await test.drop()
})

it('reads 64 bits and microseconds as they are', async () => {
  await run(database, `insert into things values (1, 9223372036854775807, '2026-11-22 08:33:33.795323+02')`)
  expect(await run(database, 'select n, t, id::int8 as small from things')).toEqual([
    { n: 9223372036854775807n, t: '2026-11-22 06:33:33.795323+00', small: 1 },
  ])
})

it('counts what a transaction changed, and nothing for what it only read or locked', async () => {
  await database.transaction('t', async (tx) => {
    await run(tx, 'select * from things for update')
    expect(tx.changed).toBe(0)
    await run(tx, 'insert into things values (2), (3)')
    await run(tx, 'update things set n = 1 where id = 99')
    expect(tx.changed).toBe(2)
  })
})

it('fails a transaction of which a failed statement was overlooked, for the server rolled it back', async () => {
  const overlooking = database.transaction('t', async (tx) => {
    await run(tx, 'insert into things values (4)')
    await run(tx, 'insert into things values (1)').catch(() => {})
  })
  await expect(overlooking).rejects.toMatchObject({ code: 'DATABASE_RACE' })
  expect(await run(database, 'select 1 from things where id = 4')).toEqual([])
})

it('rolls back when the work throws, and the connection is good for the next', async () => {
  for (let i = 0; i < 10; i++) {
    const failing = database.transaction('t', async (tx) => {
      await run(tx, 'insert into things values (5)')
      throw new Error('mine')
    })
    await expect(failing).rejects.toThrow('mine')
  }
  expect(await run(database, 'select 1 from things where id = 5')).toEqual([])
})

it.each([
  ['insert into things values (1)', 'DATABASE_RACE', AgainError],
  ['select * from no_such_table', 'DATABASE_SCHEMA', OutageError],
  ['select nonsense from things', 'DATABASE_SCHEMA', OutageError],
  [
    'create temp table x (id int); set transaction read only; insert into things values (9)',
    'DATABASE_DOWN',
    OutageError,
  ],
])('says what follows from the error of: %s', async (text, code, type) => {
  const failing = run(database, text)
  await expect(failing).rejects.toBeInstanceOf(type)
  await expect(failing).rejects.toMatchObject({ code })
})

it('lets go of a connection whose prepared statement a change of the schema has broken', async () => {
  const own = await openDatabase(test.url)
  await run(own, 'create table changing (id int)')
  const look = () => own.query('test.changing', 'select * from changing')
  await look()
  await run(own, 'alter table changing alter id type bigint')
  await expect(look()).rejects.toMatchObject({ code: 'DATABASE_SCHEMA', part: 'database' })
  // At most once for each connection of the pool.
  await expect.poll(() => look().catch(() => null)).toEqual([])
  await own.destroy()
})

it('tells a name that stands for two texts from an outage', async () => {
  const one = await openDatabase(test.url)
  await one.query('same', 'select 1')
  await expect(
    Promise.all(Array.from({ length: 8 }, (_, i) => one.query('same', `select ${i + 1}`))),
  ).rejects.toMatchObject({ code: 'DATABASE_STATEMENT_NAME' })
  await one.destroy()
})

it('is an outage when the server ends the connection, also before a commit, and recovers by itself', async () => {
  const killed = database.transaction('t', async (tx) => {
    await run(tx, 'insert into things values (6)')
    const [row] = await run<{ pid: number }>(tx, 'select pg_backend_pid() as pid')
    await run(database, 'select pg_terminate_backend($1)', [row?.pid])
    await run(tx, 'select 1')
  })
  await expect(killed).rejects.toBeInstanceOf(OutageError)
  const unknown = database.transaction('t', async (tx) => {
    await run(tx, 'insert into things values (6)')
    const [row] = await run<{ pid: number }>(tx, 'select pg_backend_pid() as pid')
    await run(database, 'select pg_terminate_backend($1)', [row?.pid])
  })
  await expect(unknown).rejects.toMatchObject({ part: 'database' })
  expect(await run(database, 'select 1 from things where id = 6')).toEqual([])
})

it('wakes a listener once at once, at each notice, and again after its connection was lost', async () => {
  const stop = new AbortController()
  let wakes = 0
  let onWake: () => void = () => {}
  const woken = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onWake = () => {
        if (wakes >= count) resolve()
      }
      onWake()
    })
  const listening = database.listen(
    'some channel',
    () => {
      wakes += 1
      onWake()
    },
    stop.signal,
  )
  await woken(1)
  await run(database, `select pg_notify('some channel', '')`)
  await woken(2)
  await run(
    database,
    `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and pid <> pg_backend_pid()`,
  )
  await woken(3)
  stop.abort()
  await listening
})

it('tells what of the server our promises rest on', async () => {
  const facts = await readServer(database)
  expect(facts).toMatchObject({ encoding: 'UTF8', inRecovery: false, deadlockTimeoutMs: 1000 })
  // The servers of tests need not outlive a loss of power.
  const sound = { ...facts, fsync: true, synchronousCommit: 'on' }
  expect(serverProblems(sound)).toEqual([])
  const unsound = { fsync: false, encoding: 'SQL_ASCII', inRecovery: true, deadlockTimeoutMs: 50 }
  expect(serverProblems({ ...sound, ...unsound, synchronousCommit: 'off' })).toHaveLength(5)
})

it('sends statements of a transaction at once and in order, and nothing after one that failed or after the end', async () => {
  let waiting: (() => void) | undefined
  let gate: Promise<void> | undefined
  const gated = await openDatabase(test.url, (name) => (name === 'sql.slow' ? gate : undefined))
  try {
    await run(gated, 'create table steps (at serial, id int unique)')
    const insert = (tx: Tx, name: string, id: number): Promise<unknown> =>
      tx.query(name, 'insert into steps (id) values ($1)', [id], { prepare: false })
    const open = (): void => {
      gate = new Promise((resolve) => {
        waiting = resolve
      })
    }
    open()
    await gated.transaction('t', async (tx) => {
      const all = Promise.all([insert(tx, 'slow', 1), insert(tx, 'quick', 2), insert(tx, 'quick', 3)])
      waiting?.()
      await all
      expect(tx.changed).toBe(3)
    })
    expect(
      (await run<{ id: number }>(gated, 'select id from steps order by at')).map(({ id }) => id),
    ).toEqual([1, 2, 3])

    // The first failure is what all of them report, and no later one runs by itself after the rollback.
    await expect(
      gated.transaction('t', (tx) =>
        Promise.all([insert(tx, 'quick', 4), insert(tx, 'quick', 1), insert(tx, 'quick', 5)]),
      ),
    ).rejects.toThrow(AgainError)
    open()
    const late: Promise<unknown>[] = []
    await expect(
      gated.transaction('t', async (tx) => {
        late.push(insert(tx, 'slow', 6), insert(tx, 'quick', 7))
        throw new Error('given up')
      }),
    ).rejects.toThrow('given up')
    waiting?.()
    expect((await Promise.allSettled(late)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    // What was not awaited belongs to the transaction all the same.
    open()
    setTimeout(() => waiting?.(), 20)
    await gated.transaction('t', async (tx) => {
      late.push(insert(tx, 'slow', 8))
    })
    expect(await run(gated, 'select count(*) as n from steps')).toEqual([{ n: 4 }])
  } finally {
    await gated.destroy()
  }
})

it('begins before anything is written, though a read goes along with the begin', async () => {
  const broken = await openDatabase(test.url, (name) =>
    name === 'sql.t.begin' ? Promise.reject(new Error('no begin')) : undefined,
  )
  try {
    let wrote = false
    await expect(
      broken.transaction('t', async (tx) => {
        expect(await tx.query('read', 'select 1 as one', [], { early: true, prepare: false })).toEqual([
          { one: 1 },
        ])
        await run(tx, 'insert into things values (77)')
        wrote = true
      }),
    ).rejects.toThrow('no begin')
    expect(wrote).toBe(false)
    expect(await run(database, 'select 1 from things where id = 77')).toEqual([])
  } finally {
    await broken.destroy()
  }
})

it('commits along with the last statements, and reads what others see then', async () => {
  await run(database, 'create table ends (id int unique)')
  const insert = (tx: Tx, id: number): Promise<unknown> => run(tx, `insert into ends values (${id})`)
  const count = (sql: Sql): Promise<{ n: number }[]> => run(sql, 'select count(*) as n from ends')
  let outside: unknown
  await database.transaction('t', async (tx) => {
    const inserted = insert(tx, 1)
    const [after] = await Promise.all([tx.commit(count), inserted])
    outside = await count(database)
    expect(after).toEqual([{ n: 1 }])
    await expect(insert(tx, 2)).rejects.toMatchObject({ code: 'DATABASE_STATEMENT' })
  })
  expect(outside).toEqual([{ n: 1 }])

  // One that fails takes all of it along, also what follows.
  await expect(
    database.transaction('t', async (tx) => {
      const writes = [insert(tx, 3), insert(tx, 1), insert(tx, 4)]
      await Promise.all([tx.commit(count), ...writes])
    }),
  ).rejects.toThrow(AgainError)
  expect(await count(database)).toEqual([{ n: 1 }])

  // A look that fails is no failure of what was committed.
  await database.transaction('t', async (tx) => {
    const inserted = insert(tx, 5)
    expect(await tx.commit((sql) => run(sql, 'select nonsense'))).toBeNull()
    await inserted
  })
  expect(await count(database)).toEqual([{ n: 2 }])
})
