import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  countBuilds,
  getBuild,
  getBuildType,
  getImageBuild,
  getMavenBuild,
  getWinBuild,
  listBuilds,
} from '../../src/hub/calls-build.ts'
import {
  getRPMChecksums,
  listArchives,
  listRPMs,
  listTaggedRPMS,
  queryRPMSigs,
} from '../../src/hub/calls-content.ts'
import { countHistory, queryHistory } from '../../src/hub/calls-history.ts'
import * as lookup from '../../src/hub/calls-lookup.ts'
import * as tag from '../../src/hub/calls-tag.ts'
import { AnswerDecoder } from '../../src/hub/decode.ts'
import { encodeCall } from '../../src/hub/encode.ts'
import type { Call } from '../../src/hub/hub.ts'
import type { Value } from '../../src/model/value.ts'
import { readCall, readResponse } from './xml.ts'

const folder = join(import.meta.dirname, '..', 'fixtures', 'wire')
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.req.xml'))
  .map((name) => name.replace('.req.xml', ''))

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

function decodeWire(name: string) {
  const decoder = new AnswerDecoder({ maxBytes: 1e8, maxDepth: 50 })
  decoder.write(readFileSync(join(folder, `${name}.resp.xml`)))
  return decoder.end()
}

function answerOfWire(number: string): Value {
  const name = names.find((item) => item.startsWith(number)) as string
  const answer = decodeWire(name)
  if (answer.kind === 'fault') throw new Error(`${name} is a fault`)
  return answer.value
}

/** The same XML but for what XML does not care about. */
function normalised(xml: string): string {
  return xml
    .replace(/<\?xml[^>]*\?>/, '')
    .replace(/>\s*\n\s*</g, '><')
    .replace(/<(\w+)><\/\1>/g, '<$1/>')
    .trim()
}

describe('every captured pair of a real hub', () => {
  it('is there', () => expect(names.length).toBe(128))

  it.each(names)('%s: the request is written as Koji writes it, byte for byte', (name) => {
    const request = read(`${name}.req.xml`)
    const { method, params } = readCall(request)
    expect(normalised(encodeCall(method, params).toString('utf8'))).toBe(normalised(request))
  })

  it.each(names)('%s: the answer is what an independent reader sees', (name) => {
    const answer = decodeWire(name)
    const { value, fault } = readResponse(read(`${name}.resp.xml`))
    if (answer.kind === 'value') expect(answer.value).toStrictEqual(value)
    else
      expect({ faultCode: answer.faultCode, faultString: answer.faultString }).toEqual({
        ...(fault as object),
      })
  })
})

/** getTag's call for a hub before 1.23, which is also what an unblocked answer of a newer one looks like. */
function getTagWithoutBlocked(name: string): Call<unknown> {
  return tag.getTag(name).lacking?.blocked as Call<unknown>
}

const TAG_TABLES = [
  'tag_config',
  'tag_extra',
  'tag_inheritance',
  'tag_packages',
  'tag_package_owners',
  'tag_external_repos',
] as const

/** The typed calls, and the captured answers that they must read. */
const TYPED: readonly (readonly [Call<unknown>, ...string[]])[] = [
  [lookup.getAPIVersion(), '001'],
  [lookup.getKojiVersion(), '002'],
  [tag.listTags(), '003', '004'],
  [tag.listTagsOfBuild(4), '005'],
  [tag.listTagsOfPackage('alpha'), '006'],
  [getTagWithoutBlocked('f43'), '007', '009', '010', '011', '012'],
  [tag.getTag('eln-build'), '008', '009'],
  [tag.getInheritanceData(6), '016'],
  [tag.listPackages({ tag: 7 }), '017', '018'],
  [lookup.listAllPackages(), '019'],
  [listTaggedRPMS('f43-updates', { rpmsigs: true }), '028'],
  [listTaggedRPMS('eln', { rpmsigs: false }), '029'],
  [getBuild(4), '032', '033', '034', '035', '036', '037', '038', '039', '040', '041', '042'],
  [listBuilds({}), '044', '045', '046', '048', '049', '050', '051'],
  [countBuilds({}), '047'],
  [listRPMs({ buildId: 4 }), '052', '053', '054', '055', '066'],
  [queryRPMSigs({ rpmId: 23 }), '058', '059'],
  [getRPMChecksums(23), '060'],
  [listArchives({ buildId: 31 }), '061', '065'],
  [listArchives({ buildId: 28, type: 'maven' }), '062'],
  [listArchives({ buildId: 29, type: 'image' }), '063'],
  [listArchives({ buildId: 30, type: 'win' }), '064'],
  [lookup.getArchiveTypes(), '068'],
  [lookup.listBTypes(), '069'],
  [getMavenBuild(28), '070'],
  [getImageBuild(29), '071'],
  [getWinBuild(30), '072'],
  [getBuildType(31), '073'],
  [tag.getTagGroups(6), '075', '076'],
  [tag.getTagExternalRepos(6), '077'],
  [lookup.listExternalRepos(), '078'],
  [lookup.getExternalRepo('fedora-43'), '079'],
  [lookup.getBuildTargets(), '081'],
  [lookup.getBuildTarget('f43'), '082'],
  [lookup.getUser('alice'), '083', '084', '085'],
  [lookup.listUsers(0), '086', '087'],
  [lookup.getAllPerms(), '088'],
  [lookup.listVolumes(), '090'],
  [lookup.getEvent(111), '091'],
  [lookup.getLastEvent(), '092', '093'],
  [queryHistory(['tag_listing'], {}), '094', '095'],
  [queryHistory(TAG_TABLES, {}), '096'],
  [queryHistory(['group_config', 'group_package_listing', 'group_req_listing'], {}), '097'],
  [queryHistory(['build_target_config', 'external_repo_config'], {}), '099'],
  [countHistory(['tag_listing'], {}), '102'],
  [lookup.listCGs(), '108'],
]

describe('the typed calls read the captured answers', () => {
  const cases = TYPED.flatMap(([call, ...numbers]) =>
    numbers.map((number) => [`${call.method} ${number}`, call, number] as const),
  )

  it.each(cases)('%s', (_, call, number) => {
    expect(call.decode(answerOfWire(number))).toBeDefined()
  })

  /** The path of every member of the first element, to be spoilt one by one. */
  it.each(cases)('%s: no member may be of another type', (_, call, number) => {
    const answer = answerOfWire(number)
    const sample = structuredCloneOf(Array.isArray(answer) ? answer[0] : answer)
    if (sample === null || typeof sample !== 'object' || Array.isArray(sample)) return
    const wrap = (value: Value) => (Array.isArray(answer) ? [value, ...answer.slice(1)] : value)
    const read = readMembers(call, wrap(sample))
    for (const member of read) {
      const spoilt = wrap({ ...(sample as object), [member]: { neither: ['this', 'nor', 'that'] } } as Value)
      if (JSON_MEMBERS.has(member)) expect(() => call.decode(spoilt)).not.toThrow()
      else
        expect(() => call.decode(spoilt)).toThrowError(
          expect.objectContaining({ code: 'HUB_ANSWER_INVALID', message: expect.stringContaining(member) }),
        )
    }
  })
})

/** Members that may hold any JSON. */
const JSON_MEMBERS = new Set(['rpm', 'remote-sources', 'image'])

function structuredCloneOf(value: Value | undefined): Value {
  return value === undefined ? null : value
}

/** Which members of the first record a call looks at. */
function readMembers(call: Call<unknown>, answer: Value): Set<string> {
  const seen = new Set<string>()
  const watched = (struct: object) =>
    new Proxy(struct, {
      get: (target, name) => {
        if (typeof name === 'string') seen.add(name)
        return Reflect.get(target, name)
      },
    })
  const first = Array.isArray(answer) ? [watched(answer[0]), ...answer.slice(1)] : watched(answer as object)
  call.decode(first as Value)
  // Data whose names are not members, times that have a twin, and `extra`, which may be anything.
  for (const name of ['extra', 'creation_time', 'start_time', 'completion_time', 'promotion_time'])
    seen.delete(name)
  return seen
}
