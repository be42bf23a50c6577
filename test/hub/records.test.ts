import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { getBuild, getBuildType } from '../../src/hub/calls-build.ts'
import { listArchives, listRPMs } from '../../src/hub/calls-content.ts'
import { queryHistory } from '../../src/hub/calls-history.ts'
import { getTag, getTagExternalRepos } from '../../src/hub/calls-tag.ts'
import type { Call } from '../../src/hub/hub.ts'
import { readResponse } from './xml.ts'

function readWire<T>(call: Call<T>, name: string): T {
  const file = join(import.meta.dirname, '..', 'fixtures', 'wire', `${name}.resp.xml`)
  return call.decode(readResponse(readFileSync(file, 'utf8')).value ?? null)
}

describe('records say what the hub said', () => {
  it('of a promoted draft', () => {
    expect(readWire(getBuild(36), '041-getBuild-promoted-draft')).toEqual({
      id: 36,
      packageId: 14,
      packageName: 'juliet',
      version: '3',
      release: '1.fc43',
      epoch: null,
      draft: false,
      state: 1,
      startTime: '2026-11-22 08:40:51.150318',
      completionTime: '2026-11-22 08:40:51.674980',
      creationEvent: 209,
      creationTime: '2026-11-22 08:40:51.153225',
      ownerId: 1,
      ownerName: 'admin',
      promoterId: 1,
      promoterName: 'admin',
      promotionTime: '2026-11-22 08:40:52.980460',
      source: expect.stringMatching(/^git\+https:.*juliet\.git#0123/),
      extra: { source: { original_url: expect.any(String) } },
      volumeId: 0,
      volumeName: 'DEFAULT',
      cgId: null,
      cgName: null,
      taskId: 16,
    })
  })

  it('of a content generator, with times that have no fraction', () => {
    const build = readWire(getBuild(31), '033-getBuild-cg-extra-i8')
    expect(build).toMatchObject({ cgId: 1, cgName: 'rig-cg', startTime: '2025-10-09 08:55:00.000000' })
    expect(build?.extra).toMatchObject({ big_number: 5_000_000_000, text: 'Žluťoučký 🚀', nothing: null })
    expect([...(readWire(getBuildType(31), '073-getBuildType') ?? [])]).toEqual([
      ['rpm', null],
      ['image', { build_id: 31 }],
      ['remote-sources', { name: 'rs' }],
    ])
  })

  it('of archives with their typed parts', () => {
    const parts = (type: string, name: string) => {
      const [archive] = readWire(listArchives({ buildId: 1, type }), name)
      return [archive?.btype, archive?.maven, archive?.win, archive?.image]
    }
    const maven = { groupId: 'org.example.rig', artifactId: 'rig-maven', version: '1.0' }
    expect(parts('maven', '062-listArchives-maven')).toEqual(['maven', maven, null, null])
    expect(parts('image', '063-listArchives-image')).toEqual(['image', null, null, { arch: 'x86_64' }])
    expect(parts('win', '064-listArchives-win')).toEqual([
      'win',
      null,
      { relpath: 'bin/x', platforms: 'i386 x86_64', flags: 'chk fre' },
      null,
    ])
    expect(readWire(listArchives({ buildId: 31 }), '061-listArchives-cg')[0]).toEqual({
      id: 8,
      buildId: 31,
      btypeId: 4,
      btype: 'image',
      typeId: 4,
      typeName: 'tar',
      typeDescription: 'Tar file',
      typeExtensions: 'tar tar.gz tar.bz2 tar.xz tgz',
      typeCompression: 'tar',
      filename: 'rig-container-x86_64.tar.gz',
      size: 1090,
      checksum: '1ffc30872deb2bd8be5bfeb4099280a40b4d4f6c2d80d0d82a1e11b203c4b4d7',
      checksumType: 2,
      metadataOnly: false,
      extra: expect.objectContaining({ image: { arch: 'x86_64' } }),
      maven: null,
      win: null,
      image: null,
    })
  })

  it('of an rpm', () => {
    expect(readWire(listRPMs({ buildId: 31 }), '053-listRPMs-cg-extra')[0]).toEqual({
      id: 83,
      buildId: 31,
      name: 'kilo',
      version: '7',
      release: '1.fc43',
      epoch: null,
      arch: 'noarch',
      draft: false,
      payloadhash: '11078522434356c08ea7da1ddd43acf7',
      size: 6565,
      buildtime: 1_760_000_000,
      externalRepoId: 0,
      externalRepoName: 'INTERNAL',
      metadataOnly: false,
      extra: { note: 'from a content generator' },
    })
  })

  it('of a tag with a blocked value, and of its external repos', () => {
    expect(readWire(getTag(9), '008-getTag-blocked-extra')).toEqual({
      id: 9,
      name: 'eln-build',
      arches: 'x86_64',
      locked: false,
      permId: null,
      permName: null,
      mavenSupport: false,
      mavenIncludeAll: false,
      extra: [{ key: 'mock.package_manager', blocked: true, value: null }],
    })
    expect(readWire(getTagExternalRepos(6), '077-getTagExternalRepos')[1]).toEqual({
      tagId: 6,
      tagName: 'f43-build',
      externalRepoId: 2,
      externalRepoName: 'fedora-43-updates',
      url: 'http://127.0.0.1/pub/updates/43/$arch/',
      priority: 12,
      mergeMode: 'simple',
      arches: 'x86_64 aarch64',
    })
  })

  it('of the change log: nil is revoked', () => {
    const call = queryHistory(['tag_listing'], {})
    const rows = readWire(call, '094-queryHistory-tag_listing-afterEvent').tag_listing
    expect(rows[0]).toEqual({
      active: true,
      createEvent: 184,
      createTime: '2026-11-22 08:40:33.814472',
      creatorId: 1,
      creatorName: 'admin',
      revokeEvent: null,
      revokeTime: null,
      revokerId: null,
      revokerName: null,
      tagId: 1,
      tagName: 'f43',
      buildId: 29,
      packageName: 'rig-image',
      version: '1.0',
      release: '1',
      epoch: null,
      buildState: 1,
    })
    expect(rows.filter(({ active }) => !active).every(({ revokeEvent }) => revokeEvent !== null)).toBe(true)
  })
})
