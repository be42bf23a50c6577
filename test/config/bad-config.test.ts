import { afterAll, describe, expect, it } from 'vitest'
import { ConfigFolder, file } from './files.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())

/** What stands in the file, and every problem that must be named. */
const PROD: readonly [string, string[]][] = [
  ['hubb = 1', ['prod.hubb: there is no such setting; did you mean hub?']],
  ['timeout = 3', ['prod.timeout: there is no such setting; did you mean timeout_seconds?']],
  ['caFile = "/a"', ['prod.caFile: there is no such setting; did you mean ca_file?']],
  ['pool_size = 9', ['prod.pool_size: there is no such setting; did you mean staging.pool_size?']],
  ['zzz = 9', ['prod.zzz: there is no such setting']],
  ['concurrency = -1', ['prod.concurrency: must be at least 1, not -1']],
  ['concurrency = 1.5', ['prod.concurrency: must be a whole number, not 1.5']],
  ['concurrency = "4"', ['prod.concurrency: must be a number, not a text']],
  ['requests_per_second = -3', ['prod.requests_per_second: must be at least 0.1, not -3']],
  ['requests_per_second = inf', ['prod.requests_per_second: must be a number, not Infinity']],
  ['timeout_seconds = 1979-01-01', ['prod.timeout_seconds: must be a number, not a date']],
  ['allow_writable_mount = "yes"', ['prod.allow_writable_mount: must be true or false, not a text']],
  ['ca_file = "ca.pem"', ['prod.ca_file: must be an absolute path']],
  ['volumes = ["prod"]', ['prod.volumes: must be a table, not a list']],
  [
    'volumes = { DEFAULT = "../x" }',
    ['prod.volumes.DEFAULT: must be a volume name: letters, digits, . _ + -'],
  ],
  [
    'volumes = { "a/b" = "x" }',
    ['prod.volumes."a/b": has a name that cannot be: must be a volume name: letters, digits, . _ + -'],
  ],
  [
    'volumes = { DEFAULT = "DEFAULT" }',
    [
      "prod.volumes: DEFAULT must not become DEFAULT with placement mode volume: staging's own builds live there",
    ],
  ],
]

const STAGING: readonly [string, string[]][] = [
  ['id_floor = 0', ['staging.id_floor: must be at least 1, not 0']],
  ['id_floor = 3000000000', ['staging.id_floor: must be at most 2000000000, not 3000000000']],
  ['user = " "', ['staging.user: must not be empty']],
  ['hub = "http://KOJI.example.org/kojihub/"', ['staging.hub: must not be the hub of prod.hub']],
  [
    'hub = "https://u:hunter2@x/kojihub"',
    ['staging.hub: must not hold a user or a password: prod is read anonymously'],
  ],
]

const REST: readonly [string, string[]][] = [
  ['[prd]\n', ['prd: there is no such setting; did you mean prod?']],
  ['[bus.fedora]\n', ['bus.fedora: there is no such setting']],
  [
    '[bus.fedmsg]\nca = "/ca"\nendpoints = ["tcp://a:1", "tcp://a:1"]',
    ['bus.fedmsg.endpoints[1]: stands there twice: "tcp://a:1"'],
  ],
  [
    '[bus.fedmsg]\nendpoints = ["tcp://a", "http://a:1", "tcp://a:70000", "tcp://*:5"]',
    [0, 1, 2, 3].map(
      (n) => `bus.fedmsg.endpoints[${n}]: must be tcp://host:port, as in tcp://hub.fedoraproject.org:9940`,
    ),
  ],
  ['[bus.fedmsg]\nendpoints = "tcp://a:1"', ['bus.fedmsg.endpoints: must be a list [ ... ], not a text']],
  [
    '[bus.fedmsg]\nendpoints = ["tcp://a:1"]',
    [
      'bus.fedmsg.ca: is missing: messages are checked against it; to take unsigned ones, set bus.fedmsg.validate_signatures to false',
    ],
  ],
  [
    '[bus.fedmsg]\nca = "ca.crt"\ncrl = "ftp://a/crl.pem"\nbackends = ["gpg"]',
    [
      'bus.fedmsg.backends[0]: must be one of "x509", not "gpg"',
      'bus.fedmsg.ca: must be an absolute path or an http:// or https:// address',
      'bus.fedmsg.crl: must be an absolute path or an http:// or https:// address',
    ],
  ],
  [
    '[bus.fedmsg]\nnitpicky = true',
    ['bus.fedmsg.nitpicky: refuses every message without bus.fedmsg.policy_file'],
  ],
  [
    '[bus.fedmsg]\ntopic_prefix = "org.fedoraproject.*"',
    ['bus.fedmsg.topic_prefix: must be the first words of a topic, as in org.fedoraproject.prod.buildsys.'],
  ],
  [
    '[bus.fedmsg]\ntopic_prefix = "org.fedoraproject.stg.buildsys."',
    ["bus.fedmsg.topic_prefix: must not be a staging bus: what staging itself announces is not prod's"],
  ],
  ['[scope]\ntags = []', ['scope.tags: must not be an empty list']],
  ['[scope]\ntags = ["f[4"]', ['scope.tags[0]: "f[4" is not a shell pattern: its [ has no ]']],
  [
    '[scope]\ntags = ["f[9-1]"]',
    ['scope.tags[0]: "f[9-1]" is not a shell pattern: the range 9-1 runs backwards'],
  ],
  [
    '[scope]\ntags = ["f 43"]',
    ['scope.tags[0]: "f 43" is not a shell pattern: no name holds white space or control characters'],
  ],
  [
    '[scope]\ntags = ["f43"]\nexclude_tags = ["f43"]',
    ['scope.exclude_tags: "f43" is in scope.tags too: nothing is left of it'],
  ],
  ['[scope]\nbuilds = "none"', ['scope.builds: must be one of "tagged", "all", not "none"']],
  [
    '[conflicts]\non_removed = "local-wins"',
    ['conflicts.on_removed: must be one of "hold", "prod-wins", not "local-wins"'],
  ],
  ['[[placement]]\n', ['placement[0].mode: is missing']],
  [
    '[copy]\nsigned_keys = ["XYZ"]\nfile_mode = "u+r"\n',
    [
      'copy.file_mode: must be permission bits in octal, as in 0644',
      'copy.signed_keys[0]: must be a signing key as Koji names it: 8 hex digits, lower case',
    ],
  ],
  [
    '[[placement]]\nmode = "hardlink"',
    ['placement[0].mode: must be one of "volume", "farm", "copy", "in-place", not "hardlink"'],
  ],
  [
    '[[placement]]\nmode = "volume"\n[[placement]]\nmode = "volume"\ntag = ["x"]',
    [
      'placement[0]: matches everything, so the rules after it never count',
      'placement[1].tag: there is no such setting; did you mean tags?',
    ],
  ],
  [
    '[[placement]]\nmode = "volume"\ntags = ["f*"]',
    ['placement[0]: must match everything, being the last rule: only mode, no tags, packages or btypes'],
  ],
  [
    '[[external_repo_rewrite]]\nmatch = "("\nreplace = ""\n[[external_repo_rewrite]]\nmatch = "(a)"\nreplace = "$2 $$3"',
    [
      'external_repo_rewrite[0].match: is not a regular expression: /(/: Unterminated group',
      'external_repo_rewrite[1].replace: names group 2, but match has 1',
    ],
  ],
  [
    '[[external_repo_rewrite]]\nmatch = "a"\nreplace = ""\n[[external_repo_rewrite]]\nmatch = "a"\nreplace = "b"',
    ['external_repo_rewrite[1].match: stands there twice: "a"'],
  ],
  [
    '[[tag_rewrite]]\ntags = ["f*"]',
    ['tag_rewrite[0]: changes nothing: it needs arches, extra or remove_extra'],
  ],
  [
    '[[tag_rewrite]]\ntags = ["f*"]\nextra.repo.auto = false',
    ['tag_rewrite[0].extra.repo: a key with a dot needs quotes: "repo.auto"'],
  ],
  [
    '[[tag_rewrite]]\ntags = ["f*"]\nextra = { a = 1 }\nremove_extra = ["a"]\narches = ["x86-64"]',
    ['tag_rewrite[0].arches[0]: must be an arch, as in x86_64'],
  ],
  [
    '[[tag_rewrite]]\ntags = ["f*"]\nextra = { a = 1 }\nremove_extra = ["a"]',
    ['tag_rewrite[0].remove_extra: "a" is set by extra too'],
  ],
  [
    '[[tag_rewrite]]\ntags = ["f*"]\nextra = { a = 1979-01-01 }',
    ['tag_rewrite[0].extra.a: must be a value that JSON has: text, number, true or false, list, table'],
  ],
  [
    '[http]\nlisten = "nowhere"',
    ['http.listen: must be host:port, [ipv6]:port, a port alone (then on 127.0.0.1) or off'],
  ],
  ['[reconcile]\nat = "4:00"', ['reconcile.at: must be a time of day from 00:00 to 23:59, or off']],
  ['[catch_up]\nlong_at = "24:00"', ['catch_up.long_at: must be a time of day from 00:00 to 23:59, or off']],
  ['[reconcile]\njitter_seconds = -1', ['reconcile.jitter_seconds: must be at least 0, not -1']],
  ['[http]\nlisten = 9177', ['http.listen: must be a text in quotes, not 9177']],
  [
    '[http]\nlisten = ":99999"',
    ['http.listen: must be host:port, [ipv6]:port, a port alone (then on 127.0.0.1) or off'],
  ],
  [
    '[log]\nlevel = "loud"',
    ['log.level: must be one of "trace", "debug", "info", "warn", "error", not "loud"'],
  ],
]

describe('a wrong setting is named', () => {
  it.each(PROD)('[prod] %s', (line, problems) => {
    expect(folder.problems(file({ prod: line }))).toEqual(problems)
  })

  it.each(STAGING)('[staging] %s', (line, problems) => {
    expect(folder.problems(file({ staging: line }))).toEqual(problems)
  })

  it.each(REST)('%s', (rest, problems) => {
    expect(folder.problems(file({ rest }))).toEqual(problems)
  })

  it.each([
    ['ftp://x/', 'must be an http:// or https:// address'],
    ['koji.example.org/kojihub', 'must be an http:// or https:// address'],
    ['', 'must be an http:// or https:// address'],
    ['https://u:hunter2@x/kojihub', 'must not hold a user or a password: prod is read anonymously'],
  ])('the hub %j', (hub, problem) => {
    const text = file().replace('https://koji.example.org/kojihub', hub)
    expect(folder.problems(text)).toEqual([`prod.hub: ${problem}`])
  })

  it.each([
    ['host=db dbname=koji', 'must be a postgresql:// address'],
    ['postgresql://koji@db', 'must name the database: postgresql://user@host:5432/koji'],
    ['postgresql://koji:a%zz@db/koji', 'has a % that is no percent-encoding (write %25)'],
    ['postgresql://koji@db/koji?options=-c%20x', 'must not set options: the service sets its own'],
  ])('the database %j', (database, problem) => {
    const text = file().replace('postgresql://koji@db.example.org/koji', database)
    expect(folder.problems(text)).toEqual([`staging.database: ${problem}`])
  })

  it.each([
    ['{ DEFAULT = "DEFAULT" }', 'prod.volumes.DEFAULT: is DEFAULT'],
    ['{ DEFAULT = "prod", old = "DEFAULT" }', 'prod.volumes.old: is DEFAULT'],
  ])('a snapshot and copies on one volume: %s', (volumes, problem) => {
    const rest = '[[placement]]\nmode = "copy"\ntags = ["x"]\n[[placement]]\nmode = "in-place"'
    const why = "with placement mode copy, where mode in-place has prod's builds: give it another name"
    expect(folder.problems(file({ prod: `volumes = ${volumes}`, rest }))).toEqual([`${problem} ${why}`])
    expect(() => folder.load(file({ prod: 'volumes = { DEFAULT = "prod" }', rest }))).not.toThrow()
  })

  it('placement volume without the two names of the tree of prod', () => {
    const text = file()
      .replace(/topdir = "\/mnt\/prod-koji"/, '')
      .replace(/link_target.*/, '')
    expect(folder.problems(text)).toEqual([
      'prod.link_target: is missing: placement mode volume needs it',
      'prod.topdir: is missing: placement mode volume needs it',
    ])
  })

  it('placement copy without a tree and without a package server', () => {
    const text = file({ rest: '[[placement]]\nmode = "copy"' })
      .replace(/topdir = "\/mnt\/prod-koji"/, '')
      .replace(/link_target.*/, '')
    expect(folder.problems(text)).toEqual([
      'prod.topdir: is missing, and prod.topurl too: placement mode copy needs one of them',
    ])
  })

  it('an empty file: everything that must be given', () => {
    expect(folder.problems('')).toEqual([
      'prod.hub: is missing',
      'prod.link_target: is missing: placement mode volume needs it',
      'prod.topdir: is missing: placement mode volume needs it',
      'staging.database: is missing',
      'staging.topdir: is missing',
    ])
  })

  it('sections of the wrong kind', () => {
    const problems = folder.problems('prod = 3\nbus = []\nplacement = "volume"\n__proto__ = 1\n')
    expect(problems).toEqual([
      '__proto__: there is no such setting',
      'bus: must be a table, not a list',
      'placement: must be a list [ ... ], not a text',
      'prod: must be a table, not 3',
      'staging.database: is missing',
      'staging.topdir: is missing',
    ])
  })

  it('all at once: types, names and what cannot go together', () => {
    const text = file({
      prod: 'concurrency = "many"\nbogus = 1',
      staging: 'pool_size = 3',
      rest: '[bus.fedmsg]\nca = "/ca"\nendpoints = ["tcp://a:1", "tcp://a:1"]\n[[placement]]\nmode = "link"',
    }).replace('"/mnt/koji"', '"/mnt/prod-koji/sub"')
    expect(folder.problems(text).map((problem) => problem.split(': ')[0])).toEqual([
      'bus.fedmsg.endpoints[1]',
      'placement[0].mode',
      'prod.bogus',
      'prod.concurrency',
      'staging.pool_size',
      'staging.topdir',
    ])
  })
})
