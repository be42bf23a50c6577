import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { describeConfig, findCautions } from '../../src/config/describe.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/errors.ts'
import { ConfigFolder, file, problemsOf } from './files.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())

describe('a configuration', () => {
  it('has a value for everything and is frozen all the way down', () => {
    const config = folder.load(file())
    expect(config.prod).toMatchObject({ requestsPerSecond: 20, timeoutMs: 60_000, caFile: null })
    expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 9177 })
    expect(config.reconcile).toEqual({ at: { hour: 4, minute: 0 }, jitterMs: 1_800_000 })
    expect(folder.load(file({ rest: '[reconcile]\nat = "off"' })).reconcile.at).toBeNull()
    expect(config.placement).toEqual([{ tags: null, packages: null, btypes: null, mode: 'volume' }])
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(true)
      for (const member of Object.values(value)) walk(member)
    }
    walk(config)
  })

  it('reads every section, with seconds as milliseconds and removed extra keys as null', () => {
    const config = folder.load(
      file({
        prod: 'timeout_seconds = 2.5\nvolumes = { DEFAULT = "prod", archive = "prod-archive" }',
        rest: `
[bus.fedmsg]
endpoints = ["tcp://127.0.0.1:9940", "tcp://[::1]:9941"]
ca = "/etc/fedmsg/ca.crt"
crl = "https://fedoraproject.org/fedmsg/crl.pem"
base_url = "https://koji.example.org"
[scope]
tags = ["f4?", "epel[89]*"]
builds = "all"
[[placement]]
tags = ["epel*"]
mode = "volume"
[[placement]]
mode = "volume"
[[external_repo_rewrite]]
match = "^https://([^/]+)/"
replace = "https://stg.$1/"
[[tag_rewrite]]
tags = ["*-build"]
arches = []
extra = { "repo.auto" = false, note = { "mock" = 1 } }
remove_extra = ["sidetag"]
[http]
listen = "[::1]:0"`,
      }),
    )
    expect(config.prod.timeoutMs).toBe(2500)
    expect(config.prod.volumes).toEqual({ DEFAULT: 'prod', archive: 'prod-archive' })
    expect(config.bus.fedmsg.endpoints).toHaveLength(2)
    expect(config.scope).toEqual({
      tags: ['f4?', 'epel[89]*'],
      excludeTags: ['*-side-[0-9]*'],
      builds: 'all',
    })
    expect(config.placement[0]).toEqual({ tags: ['epel*'], packages: null, btypes: null, mode: 'volume' })
    expect(config.tagRewrite).toEqual([
      { tags: ['*-build'], arches: [], extra: { 'repo.auto': false, note: { mock: 1 }, sidetag: null } },
    ])
    expect(config.http.listen).toEqual({ host: '::1', port: 0 })
  })

  it('takes a variable over the file, and --set over both', () => {
    const env = {
      KOJI_STAGING_SYNC_PROD_HUB: 'https://other.example.org/kojihub',
      KOJI_STAGING_SYNC_PROD_CONCURRENCY: '7',
      KOJI_STAGING_SYNC_PROD_VOLUMES: '{ DEFAULT = "elsewhere" }',
      KOJI_STAGING_SYNC_BUS_FEDMSG_ENDPOINTS: 'tcp://a:1, tcp://b:2',
      KOJI_STAGING_SYNC_BUS_FEDMSG_CA: '/etc/fedmsg/ca.crt',
      KOJI_STAGING_SYNC_SCOPE_TAGS: '["f43*"]',
      KOJI_STAGING_SYNC_LOG_LEVEL: 'warn',
      KOJI_STAGING_SYNC_CONFIG: '/ignored/here',
      PATH: '/usr/bin',
    }
    const assignments = ['log.level=debug', 'prod.topdir=/mnt/a=b', 'http.listen=8080']
    const config = folder.load(file({ prod: 'concurrency = 2' }), { env, assignments })
    expect(config.prod).toMatchObject({
      hub: 'https://other.example.org/kojihub',
      concurrency: 7,
      volumes: { DEFAULT: 'elsewhere' },
      topdir: '/mnt/a=b',
    })
    expect(config.bus.fedmsg.endpoints).toEqual(['tcp://a:1', 'tcp://b:2'])
    expect(config.scope.tags).toEqual(['f43*'])
    expect(config.log.level).toBe('debug')
    expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 8080 })
  })

  it('says from where a wrong value came when it is not the file', () => {
    const env = { KOJI_STAGING_SYNC_PROD_CONCURRENCY: '0', KOJI_STAGING_SYNC_HTP_LISTEN: '1' }
    const assignments = ['log.level=loud', 'prod.hubb=x', 'nothing', 'worker.concurrency=two']
    expect(folder.problems(file(), { env, assignments })).toEqual([
      '--set: must be NAME=VALUE, as in --set log.level=debug',
      '--set prod.hubb: there is no such setting; did you mean prod.hub?',
      '--set worker.concurrency: must be a TOML value: 20, true, ["a", "b"], { DEFAULT = "prod" }',
      'KOJI_STAGING_SYNC_HTP_LISTEN: there is no setting of this name; did you mean KOJI_STAGING_SYNC_HTTP_LISTEN?',
      'log.level: must be one of "trace", "debug", "info", "warn", "error", not "loud" (from --set log.level)',
      'prod.concurrency: must be at least 1, not 0 (from KOJI_STAGING_SYNC_PROD_CONCURRENCY)',
    ])
  })

  it('warns of each setting that weakens a promise', () => {
    const weak = folder.load(
      file({
        prod: 'allow_writable_mount = true',
        rest: '[bus.fedmsg]\nvalidate_signatures = false\n[bus.datagrepper]\nurl = "http://d/raw"\n[catch_up]\noverlap_seconds = 60',
      }).replace('https:', 'http:'),
    )
    const names = findCautions(weak).map((caution) => /\(([^)]*)\)$/.exec(caution)?.[1])
    expect(names).toEqual([
      'bus.fedmsg.validate_signatures',
      'bus.datagrepper',
      'bus.fedmsg.endpoints',
      'prod.hub',
      'staging.ca_file',
      'prod.allow_writable_mount',
      'catch_up.overlap_seconds',
    ])
  })
})

describe("the database's server", () => {
  const cautions = (database: string, staging = ''): string[] =>
    findCautions(folder.load(file({ staging }).replace('postgresql://koji@db.example.org/koji', database)))
  const caution = expect.stringContaining('(staging.ca_file)')

  it('is checked by ca_file or by the address, or every start tells, but for one on this host', () => {
    expect(cautions('postgresql://koji@db/koji')).toContainEqual(caution)
    expect(cautions('postgresql://koji@db/koji?sslmode=require')).toContainEqual(caution)
    expect(cautions('postgresql://koji@db/koji', 'ca_file = "/ca"')).not.toContainEqual(caution)
    for (const near of [
      'koji@db/koji?sslmode=verify-full',
      'koji@localhost/koji',
      'koji@[::1]/koji',
      'koji@/koji?host=/run/pg',
    ])
      expect(cautions(`postgresql://${near}`)).not.toContainEqual(caution)
  })

  it.each([
    ['koji@10.0.0.1/koji', 'needs a name'],
    ['koji@[2001:db8::1]/koji', 'needs a name'],
    ['koji@db/koji?sslmode=disable', 'stands beside sslmode'],
    ['koji@db/koji?host=/run/pg', 'has no meaning'],
    ['koji@/koji', 'has no meaning'],
  ])('cannot be checked by ca_file at %s', (database, problem) => {
    const text = file({ staging: 'ca_file = "/ca"' })
    const problems = folder.problems(
      text.replace('postgresql://koji@db.example.org/koji', `postgresql://${database}`),
    )
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^staging.ca_file: ${problem}`))])
  })
})

describe('signatures', () => {
  const names = (rest: string): (string | undefined)[] =>
    findCautions(folder.load(file({ rest, staging: 'ca_file = "/ca"' }))).map(
      (caution) => /\(([^)]*)\)$/.exec(caution)?.[1],
    )
  const bus = '[bus.fedmsg]\nendpoints = ["tcp://a:1"]\n'

  it('are checked unless turned off, which every start tells', () => {
    expect(folder.load(file()).bus.fedmsg.validateSignatures).toBe(true)
    expect(names(`${bus}validate_signatures = false`)).toContain('bus.fedmsg.validate_signatures')
  })

  it('that are checked against less than there could be are told of', () => {
    expect(names(`${bus}ca = "http://a/ca.crt"`)).toEqual([
      'bus.fedmsg.ca',
      'bus.fedmsg.crl',
      'bus.fedmsg.policy_file',
    ])
    expect(names(`${bus}ca = "/ca"\ncrl = "/crl"\npolicy_file = "/policy"`)).toEqual([])
  })
})

describe('a file that cannot be used', () => {
  it('is named when it is missing, a directory, too large or not text', () => {
    const missing = join(folder.path, 'none.toml')
    expect(problemsOf(() => loadConfig({ file: missing, env: {} }))).toEqual([
      'there is no such file (ENOENT)',
    ])
    expect(problemsOf(() => loadConfig({ file: folder.path, env: {} }))).toEqual(['is a directory (EISDIR)'])
    expect(folder.problems(`#${'x'.repeat(1024 * 1024)}`)).toEqual(['is larger than 1048576 bytes'])
    const binary = folder.write(Uint8Array.of(0x61, 0xff, 0xfe))
    expect(problemsOf(() => loadConfig({ file: binary, env: {} }))).toEqual(['is not UTF-8 text'])
    expect(() => loadConfig({ file: missing, env: {} })).toThrow(missing)
  })

  it('is named by line and column when it is not TOML, without quoting it', () => {
    const text = '[staging]\ndatabase = "postgresql://koji:hunter2@db/koji\n'
    try {
      folder.load(text)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as Error).message).toMatch(/line 2, column \d+: not TOML: /)
      expect((error as Error).message).not.toContain('hunter2')
    }
  })
})

describe('the password of the database', () => {
  const staging = (line: string): string => file({ staging: line })

  it('comes from the first line of its file', () => {
    const secret = folder.write('pass word\nsecond line\n', 'password')
    const config = folder.load(staging(`database_password_file = "${secret}"`))
    expect(config.staging.databasePassword?.reveal()).toBe('pass word')
  })

  it('comes from the systemd credential, unless it is told otherwise', () => {
    mkdirSync(join(folder.path, 'credentials'))
    writeFileSync(join(folder.path, 'credentials', 'database_password'), 'from systemd\n')
    const env = { CREDENTIALS_DIRECTORY: join(folder.path, 'credentials') }
    expect(folder.load(file(), { env }).staging.databasePassword?.reveal()).toBe('from systemd')
    const own = folder.load(file().replace('koji@db', 'koji:own@db'), { env })
    expect(own.staging.databasePassword?.reveal()).toBe('own')
    expect(
      folder.load(file(), { env: { CREDENTIALS_DIRECTORY: folder.path } }).staging.databasePassword,
    ).toBeNull()
  })

  it.each([
    [
      'postgresql://koji:p%40ss@db:5433/koji?sslmode=require',
      'p@ss',
      'postgresql://koji@db:5433/koji?sslmode=require',
    ],
    [
      'postgresql://koji@db/koji?password=p%40ss&sslmode=require',
      'p@ss',
      'postgresql://koji@db/koji?sslmode=require',
    ],
    ['postgresql://koji:pw@/koji?host=/run', 'pw', 'postgresql://koji@/koji?host=/run'],
    ['postgresql:///koji?host=/run/postgresql', undefined, 'postgresql:///koji?host=/run/postgresql'],
  ])('is taken out of %s', (address, password, clean) => {
    const config = folder.load(file().replace('postgresql://koji@db.example.org/koji', address))
    expect(config.staging.databasePassword?.reveal()).toBe(password)
    expect(decodeURIComponent(config.staging.database)).toBe(clean)
  })

  it('is a problem when it stands twice, is empty, or cannot be read', () => {
    const secret = folder.write('x\n', 'password')
    const empty = folder.write('\n', 'empty')
    const twice = staging(`database_password_file = "${secret}"`).replace('koji@db', 'koji:hunter2@db')
    expect(folder.problems(twice)).toEqual([
      'staging.database_password_file: stands beside a password in staging.database: one of them must go',
    ])
    expect(folder.problems(staging(`database_password_file = "${empty}"`))).toEqual([
      `staging.database_password_file: must hold the password in its first line: ${empty}`,
    ])
    expect(folder.problems(staging('database_password_file = "/nonexistent"'))).toEqual([
      'staging.database_password_file: cannot be read: /nonexistent (ENOENT)',
    ])
  })

  it('is never shown: not described, not printed, not serialised, not in an error', () => {
    const config = folder.load(
      file({
        rest: '[[external_repo_rewrite]]\nmatch = "^x"\nreplace = "https://robot:hunter3@repo/"',
      }).replace('koji@db', 'koji:hunter2@db'),
    )
    const shown = [
      JSON.stringify(describeConfig(config)),
      JSON.stringify(config.staging),
      inspect(config.staging),
    ]
    for (const text of [...shown, `${config.staging.databasePassword}`]) expect(text).not.toContain('hunter')
    expect(describeConfig(config)).toMatchObject({ staging: { databasePassword: '***' } })
    const wrong = file().replace('postgresql://koji@db', 'mysql://koji:hunter2@db')
    expect(folder.problems(wrong).join()).toBe('staging.database: must be a postgresql:// address')
  })
})

describe('trees that lie in one another', () => {
  const trees = (topdir: string, linkTarget: string, own: string): string =>
    file()
      .replace('"/mnt/prod-koji"', `"${topdir}"`)
      .replace('"/srv/prod-koji"', `"${linkTarget}"`)
      .replace('"/mnt/koji"', `"${own}"`)

  it.each([
    ['/a/prod', '/b/prod', '/a/prod/', ['staging.topdir: is the tree of prod.topdir']],
    ['/a/prod', '/b/prod', '/b/prod/vol/../stg', ['staging.topdir: lies inside of prod.link_target']],
    ['/a/koji/vol/prod', '/b/prod', '/a/koji', ['prod.topdir: lies inside of staging.topdir']],
    [
      '/a',
      '/a',
      '/a',
      ['staging.topdir: is the tree of prod.topdir', 'staging.topdir: is the tree of prod.link_target'],
    ],
  ])('are refused: prod %s and %s, staging %s', (topdir, linkTarget, own, problems) => {
    expect(folder.problems(trees(topdir, linkTarget, own))).toEqual(problems)
  })

  it('are refused behind a symbolic link, also when the end of the path does not exist yet', () => {
    mkdirSync(join(folder.path, 'prod'))
    symlinkSync(join(folder.path, 'prod'), join(folder.path, 'alias'))
    const own = join(folder.path, 'alias', 'not', 'yet')
    expect(folder.problems(trees(join(folder.path, 'prod'), '/elsewhere', own))).toEqual([
      'staging.topdir: lies inside of prod.topdir',
    ])
  })

  it('are accepted when only their names begin alike', () => {
    expect(folder.load(trees('/a/koji', '/b', '/a/koji-stg')).staging.topdir).toBe('/a/koji-stg')
  })

  it('does not care about a folder that must not be read', () => {
    const closed = join(folder.path, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o000)
    expect(folder.load(trees('/a', '/b', join(closed, 'stg'))).staging.topdir).toBe(join(closed, 'stg'))
    chmodSync(closed, 0o700)
  })
})
