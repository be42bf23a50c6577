import type { Struct, Value } from '../wire-value.ts'
import { type Asked, kw, rowsOf, type View } from './view.ts'

/** An rpm's name as files have it. */
export function nvra(row: Struct): string {
  return `${row.name}-${row.version}-${row.release}.${row.arch}`
}

/** What tells an archive apart within its build. */
export function archiveName(row: Struct): string {
  const keys = ['btype', 'group_id', 'artifact_id', 'version', 'relpath', 'filename']
  return keys.flatMap((key) => (row[key] ? [String(row[key])] : [])).join('/')
}

/** Puts what a hub shows of these builds into the view: itself, types, rpms, signatures, checksums, archives, components. */
export async function viewBuilds(view: View, builds: Map<string, number>): Promise<void> {
  const api = new Set(((await view.multi([['_listapi']]))[0] as Struct[]).map((method) => method.name))
  for (const [nvr, id] of builds) {
    const [build, types, maven, win, image, rpms, ...archives] = await view.multi([
      ['getBuild', id],
      ['getBuildType', id],
      ['getMavenBuild', id],
      ['getWinBuild', id],
      ['getImageBuild', id],
      ['listRPMs', id],
      ...[null, 'maven', 'win', 'image'].map((type): Asked => ['listArchives', kw({ buildID: id, type })]),
    ])
    view.put('build', nvr, build as Value)
    view.put('build types', nvr, types as Value)
    view.put('typed build', nvr, [maven, win, image] as Value[])
    for (const rpm of rowsOf(rpms)) view.put('rpm', `${nvr} ${nvra(rpm)}`, rpm)
    ;['', ', maven', ', win', ', image'].forEach((kind, index) => {
      for (const row of rowsOf(archives[index])) view.put(`archive${kind}`, `${nvr} ${archiveName(row)}`, row)
    })
    await viewSignatures(view, nvr, rowsOf(rpms), api.has('getRPMChecksums'))
    await viewComponents(view, nvr, rowsOf(archives[0]))
  }
}

async function viewSignatures(
  view: View,
  nvr: string,
  rpms: Struct[],
  withChecksums: boolean,
): Promise<void> {
  const ids = rpms.map((rpm) => rpm.id as Value)
  const signatures = await view.multi(ids.map((id) => ['queryRPMSigs', kw({ rpm_id: id })]))
  const options = kw({ checksum_types: ['md5', 'sha1', 'sha256'], cacheonly: true })
  const checksums = withChecksums ? await view.multi(ids.map((id) => ['getRPMChecksums', id, options])) : []
  rpms.forEach((rpm, index) => {
    for (const row of rowsOf(signatures[index])) {
      view.put('signature', `${nvr} ${nvra(rpm)} ${row.sigkey || '(unsigned)'}`, row.sighash as Value)
    }
    for (const [sigkey, sums] of Object.entries((checksums[index] ?? {}) as Struct)) {
      for (const [type, sum] of Object.entries(sums as Struct)) {
        if (sum) view.put('checksum', `${nvr} ${nvra(rpm)} ${sigkey || '(unsigned)'} ${type}`, sum)
      }
    }
  })
}

async function viewComponents(view: View, nvr: string, archives: Struct[]): Promise<void> {
  const answers = await view.multi(
    archives.flatMap((archive): Asked[] => [
      ['listRPMs', kw({ imageID: archive.id as Value })],
      ['listArchives', kw({ imageID: archive.id as Value })],
    ]),
  )
  archives.forEach((archive, index) => {
    const name = `${nvr} ${archiveName(archive)}`
    for (const rpm of rowsOf(answers[2 * index])) view.put('component', `${name} has ${nvra(rpm)}`, rpm)
    for (const part of rowsOf(answers[2 * index + 1]))
      view.put('component', `${name} has ${archiveName(part)}`, part)
  })
}
