import { mkdirSync, rmSync, statfsSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { noStep } from '../../src/step.ts'
import { type CopyCheckOptions, checkCopies } from '../../src/storage/copy-checks.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { PackageServer } from '../../src/storage/fetch-server.ts'
import { HttpSource } from '../../src/storage/fetch-source.ts'
import { aBuild, makeTrees, type Trees } from './trees.ts'

let trees: Trees
beforeEach(() => {
  trees = makeTrees()
  trees.addBuild(aBuild())
})
afterEach(() => trees.destroy())

async function levels(changes: Partial<CopyCheckOptions> = {}): Promise<Record<string, string>> {
  const checks = await checkCopies({
    source: new MountSource({ prodTopdir: trees.prod, step: noStep }),
    overHttp: false,
    stagingTopdir: trees.staging,
    volumes: ['prod-copy'],
    reserveBytes: 0,
    made: { uid: null, gid: null, directoryMode: null },
    snapshotAge: undefined,
    step: noStep,
    ...changes,
  })
  for (const { level, hint } of checks) if (level !== 'ok') expect(hint).not.toBe('')
  return Object.fromEntries(checks.map(({ name, level, text }) => [name, `${level}: ${text}`]))
}

it('all is well with a mount, room, and a volume that is yet to come', async () => {
  const found = await levels()
  expect(Object.values(found).every((text) => text.startsWith('ok'))).toBe(true)
  expect(Object.keys(found)).toEqual(['copy source', 'room for copies', 'files.uid', 'volume prod-copy'])
})

it('a source that does not answer fails, mounted or over HTTP', async () => {
  rmSync(join(trees.prod, 'packages'), { recursive: true })
  expect((await levels())['copy source']).toMatch(/^fail: .*ENOENT/)
  const serve = async (status: number): Promise<HttpSource> => {
    const server = createServer((_request, response) => response.writeHead(status).end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return new HttpSource(
      new PackageServer({
        url,
        ca: undefined,
        connections: 1,
        timeoutMs: 5_000,
        retryDelaysMs: [],
        userAgent: 'test',
        step: noStep,
      }),
    )
  }
  const over = { overHttp: true }
  expect((await levels({ ...over, source: await serve(200) }))['prod.topurl']).toMatch(/^ok/)
  expect((await levels({ ...over, source: await serve(503) }))['prod.topurl']).toMatch(/^fail/)
  expect((await levels({ ...over, source: null }))['prod.topurl']).toMatch(/^fail: neither/)
})

it('a reserve that is touched is a warning: everything else can be done', async () => {
  const { bavail, bsize } = statfsSync(trees.staging)
  const at = (part: number) => levels({ reserveBytes: Math.floor(bavail * bsize * part) })
  expect((await at(2))['room for copies']).toMatch(/^warn: /)
  expect((await at(0.7))['room for copies']).toMatch(/^warn: /)
  expect((await at(0.1))['room for copies']).toMatch(/^ok: /)
})

it("a volume that is a link fails: through it staging's hub would delete elsewhere", async () => {
  mkdirSync(join(trees.staging, 'vol'))
  symlinkSync(trees.prod, join(trees.staging, 'vol/prod-copy'))
  expect((await levels())['volume prod-copy']).toMatch(/^fail: .*no real directory/)
})

it('an owner that files cannot be given to fails, where we are not root', async () => {
  const made = { uid: 4_000_000_000, gid: null, directoryMode: null }
  const isRoot = process.geteuid?.() === 0
  expect((await levels({ made }))['files.uid']).toMatch(isRoot ? /^ok/ : /^fail/)
})

it('the age of a snapshot is told, an old or unknown one is a warning', async () => {
  expect((await levels({ snapshotAge: null })).snapshot).toMatch(/^warn: nothing tells/)
  expect((await levels({ snapshotAge: 3 * 86_400 })).snapshot).toBe('ok: 3.0 days old')
  expect((await levels({ snapshotAge: 40 * 86_400 })).snapshot).toMatch(/^warn: 40\.0 days/)
})
