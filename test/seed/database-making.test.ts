import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStatement, readMaking, refuseUnlike } from '../../src/seed/database-making.ts'
import { makeDatabase } from '../../src/seed/databases.ts'
import { refuseFullDisk } from '../../src/seed/disk.ts'
import { Session } from '../../src/seed/session.ts'
import { noStep } from '../../src/step.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

const mark = randomBytes(4).toString('hex')
let home: TestDatabase
let admin: Session
const made: string[] = []

beforeAll(async () => {
  home = await testDatabase({ koji: 'none' })
  admin = await Session.open({ url: home.url, step: noStep })
})
afterAll(async () => {
  for (const name of made) await admin.query('test', `drop database if exists "${name}"`)
  await admin?.query('test', `drop tablespace if exists place_${mark}`)
  await admin?.close()
  await home?.drop()
})

describe('the new database is made like the running one', () => {
  it.each([
    ['libc', `encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`],
    [
      'builtin',
      `encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' lc_collate 'C' lc_ctype 'C'`,
    ],
  ])('%s: %s', async (what, options) => {
    const name = `like_${what}_${mark}`
    made.push(name)
    await admin.query('test', `create database ${name} template template0 ${options}`)
    made.push(await makeDatabase(admin, name, '2026-01-01T00:00:00Z'))
    const [like, is] = [await readMaking(admin, name), await readMaking(admin, `${name}_seed`)]
    expect(is).toEqual(like)
    expect(is).toMatchObject({ datcollate: 'C' })
  })

  it('with ICU, its rules and a tablespace', () => {
    expect(
      createStatement('new', {
        owner: 'koji',
        encoding: 'UTF8',
        tablespace: 'fast disk',
        datlocprovider: 'i',
        datcollate: 'en_US.UTF-8',
        datctype: 'en_US.UTF-8',
        datlocale: 'en-US',
        daticurules: `&a < 'b'`,
      }),
    ).toBe(
      `create database "new" owner "koji" template template0 tablespace "fast disk" encoding 'UTF8' lc_collate 'en_US.UTF-8' lc_ctype 'en_US.UTF-8' locale_provider 'icu' icu_locale 'en-US' icu_rules '&a < ''b'''`,
    )
  })

  it('in its tablespace, whose disk is the one that must have room', async () => {
    const name = `like_placed_${mark}`
    made.push(name)
    await admin.query('test', 'set allow_in_place_tablespaces to on')
    await admin.query('test', `create tablespace place_${mark} location ''`)
    await admin.query('test', `create database ${name} template template0 tablespace place_${mark}`)
    made.push(await makeDatabase(admin, name, '2026-01-01T00:00:00Z'))
    expect(await readMaking(admin, `${name}_seed`)).toMatchObject({ tablespace: `place_${mark}` })
    const [row] = await admin.query<{ name: string }>('test', 'select current_database() as name')
    const look = (database: string) => refuseFullDisk(admin, { needed: 1, freeBytes: null, database })
    expect(await look(row?.name ?? '')).toBeNull()
    // Only the server knows where that is.
    expect(await look(name)).toContain('cannot be seen from here')
  })

  it('or is refused, with what differs', () => {
    const like = { datcollate: 'C', datnew: 'x' }
    expect(() =>
      refuseUnlike(like, { datcollate: 'C', datnew: 'y' }, { database: 'koji', name: 'koji_seed' }),
    ).toThrow(/koji_seed could not be made like koji.*: datnew x \(y\)$/)
    refuseUnlike(like, { ...like }, { database: 'koji', name: 'koji_seed' })
  })
})
