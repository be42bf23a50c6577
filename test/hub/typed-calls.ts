import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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
import type { Call } from '../../src/hub/hub.ts'
import type { Value } from '../../src/model/value.ts'

const folder = join(import.meta.dirname, '..', 'fixtures', 'wire')
/** Captured requests and answers of a real hub. */
export const names = readdirSync(folder)
  .filter((name) => name.endsWith('.req.xml'))
  .map((name) => name.replace('.req.xml', ''))

export function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

export function decodeWire(name: string) {
  const decoder = new AnswerDecoder({ maxBytes: 1e8, maxDepth: 50 })
  decoder.write(readFileSync(join(folder, `${name}.resp.xml`)))
  return decoder.end()
}

export function answerOfWire(number: string): Value {
  const name = names.find((item) => item.startsWith(number)) as string
  const answer = decodeWire(name)
  if (answer.kind === 'fault') throw new Error(`${name} is a fault`)
  return answer.value
}

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
export const TYPED: readonly (readonly [Call<unknown>, ...string[]])[] = [
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
