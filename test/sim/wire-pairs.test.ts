import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { text } from './compare/view.ts'
import { type SimulatedHub, startHub } from './hub.ts'
import { methods } from './methods.ts'
import { decodeResponse } from './wire-decode.ts'
import { fillDatabase } from './wire-pairs/fill.ts'
import { harvestPairs } from './wire-pairs/harvest.ts'
import { faultAsValue, readPairs, type WirePair } from './wire-pairs/pairs.ts'
import { isStruct, type Value } from './wire-value.ts'

/** Pairs of methods that the simulator answers, whose answer needs rows that no captured answer shows. */
const notInTheCaptures: Record<string, string> = {
  '047-listBuilds-countOnly': 'counts 40 builds; one of them is in no other answer',
  '102-queryHistory-countOnly': 'counts 38 taggings in force; the tags of seven are in no other answer',
  '116-tagLastChangeEvent': 'the event is that of a tag_updates row, which no answer shows',
}

/** Answered by every hub although no read method of the table. */
const special = ['multiCall', 'getKojiVersion', 'noSuchMethod', 'createTag']

const pairs = readPairs()
const supported = pairs.filter((pair) => pair.method in methods || special.includes(pair.method))

let database: TestDatabase
let hub: SimulatedHub

beforeAll(async () => {
  database = await testDatabase({ koji: '1.35.0' })
  await fillDatabase(database.url, harvestPairs(pairs))
  hub = await startHub({ databaseUrl: database.url, mayTrespass: true })
})

afterAll(async () => {
  await hub.close()
  await database.drop()
})

async function replay(pair: WirePair): Promise<Value> {
  const response = await fetch(hub.url, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: pair.request,
  })
  const body = await response.text()
  return faultAsValue(() => decodeResponse(body))
}

/** Without the traceback of faults in a multiCall: it names lines of Koji's source. */
function comparable(value: Value): Value {
  if (Array.isArray(value)) return value.map(comparable)
  if (!isStruct(value)) return value
  const entries = Object.entries(value).filter(([key]) => key !== 'traceback')
  return Object.fromEntries(entries.map(([key, item]) => [key, comparable(item)]))
}

/** Lists for whose rows Koji asks the database for no order: it came from where the rows stood on disk. */
function unordered(value: Value): Value {
  if (Array.isArray(value)) return value.map(unordered).sort((a, b) => (text(a) < text(b) ? -1 : 1))
  if (!isStruct(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unordered(item)]))
}

const ordered = [
  ...['getFullInheritance', 'getInheritanceData', 'listTagged', 'getTagExternalRepos', 'getExternalRepoList'],
  ...['getArchiveTypes', 'getAllPerms', 'multiCall'],
]

function hasOrder(pair: WirePair): boolean {
  const opts = pair.named.queryOpts
  if (isStruct(opts) && 'order' in opts) return true
  // Children of one parent with the same priority tie.
  return ordered.includes(pair.method) && pair.named.reverse !== true
}

describe('the simulator against what a real hub 1.35.3 answered', () => {
  it('knows the methods of all but a few pairs, and those are not of a replicator', () => {
    const unknown = new Set(pairs.filter((pair) => !supported.includes(pair)).map((pair) => pair.method))
    expect([...unknown].sort()).toEqual([
      ...['getActiveRepos', 'getBuildConfig', 'getBuildLogs', 'getBuildNotifications', 'getBuildroot'],
      ...[
        'getBuildrootListing',
        'getChangelogEntries',
        'getHost',
        'getRPMHeaders',
        'getRepo',
        'getTaskChildren',
      ],
      ...[
        'getTaskInfo',
        'getTaskResult',
        'getUserPerms',
        'listBuildroots',
        'listChannels',
        'listHosts',
        'listTasks',
      ],
      ...['repo.query', 'repoInfo'],
    ])
  })

  it.each(
    supported.filter((pair) => !(pair.name in notInTheCaptures)).map((pair) => [pair.name, pair] as const),
  )('gives the same answer to %s', async (_name, pair) => {
    const [got, wanted] = [comparable(await replay(pair)), comparable(pair.answer)]
    if (hasOrder(pair)) expect(text(got)).toBe(text(wanted))
    else expect(text(unordered(got))).toBe(text(unordered(wanted)))
  })

  it.each(Object.entries(notInTheCaptures))('answers %s in the same form: %s', async (name) => {
    const pair = pairs.find((one) => one.name === name) as WirePair
    const shape = (value: Value): Value => (isStruct(value) ? Object.keys(value) : typeof value)
    expect(shape(await replay(pair))).toEqual(shape(pair.answer))
  })
})
