import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildProgram, type Program } from '../e2e/program.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const packed = JSON.parse(read('package.json')) as {
  version: string
  files: string[]
  bin: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

describe('the package', () => {
  let program: Program
  beforeAll(async () => {
    program = await buildProgram()
  })
  afterAll(() => program?.remove())

  it('needs nothing at run time that is there for development only', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )
    const imported = files.flatMap((name) =>
      [...read(join('src', name)).matchAll(/(?:^import [^\n']*|^\} from |\bimport\()'([^.'][^'\n]*)'/gm)]
        .filter(([whole]) => !whole.startsWith('import type '))
        .map(([, module = '']) => module.replace(/^((?:@[^/]+\/)?[^/]+).*/, '$1')),
    )
    const packages = [...new Set(imported)].filter(
      (name) => !name.startsWith('node:') && !builtinModules.includes(name),
    )
    expect(packages.filter((name) => !(name in packed.dependencies))).toEqual([])
    expect(Object.keys(packed.dependencies).filter((name) => !packages.includes(name))).toEqual([])
  })

  it('pins each dependency, and its lock file names no server', () => {
    for (const version of Object.values({ ...packed.dependencies, ...packed.devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
    expect(read('package-lock.json')).not.toContain('"resolved"')
  })

  it('brings units, manual, completions, configuration and docs along', () => {
    const lists = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const paths = lists.match(/"path": "([^"]+)"/g)?.map((line) => line.slice(9, -1)) ?? []
    const all = ['systemd', 'man', 'completions', 'config', 'docs'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath, one.name).slice(root.length + 1)),
    )
    expect(all.filter((path) => !paths.includes(path))).toEqual([])
    expect(paths.filter((path) => /^(src|test|bench|packaging)\//.test(path))).toEqual([])
  })

  it('starts from the compiled file that its command names', () => {
    expect(packed.bin).toEqual({ 'koji-staging-sync': 'dist/main.js' })
    const main = join(program.directory, 'main.js')
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    const version = execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' })
    expect(version).toBe(`${packed.version}\n`)
  })

  it('is described for rpm with its version and every file of systemd', () => {
    const spec = read('packaging/koji-staging-sync.spec')
    expect(/^Version: +(.*)$/m.exec(spec)?.[1]).toBe(packed.version)
    for (const path of ['systemd/*.service', 'systemd/*.timer', '.sysusers.conf', '.tmpfiles.conf'])
      expect(spec).toContain(path)
    for (const script of ['packaging/bundle.sh', 'packaging/generate.sh'])
      expect(existsSync(join(root, script))).toBe(true)
  })
})
