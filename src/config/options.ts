import { z } from 'zod'
import {
  absolutePath,
  databaseUrl,
  directoryMode,
  endpoint,
  fileMode,
  fileOrUrl,
  httpUrl,
  integer,
  listenAddress,
  pattern,
  plainText,
  seconds,
  sigkey,
  timeOfDay,
  topicPrefix,
  treePath,
  volumeName,
} from './field-types.ts'
import { type Loaded, option, required, type Section, unset } from './option.ts'
import {
  EXTERNAL_REPO_REWRITE_FIELDS,
  externalRepoRewrites,
  PLACEMENT_FIELDS,
  PRINCIPAL_REWRITE_FIELDS,
  placements,
  principalRewrites,
  SEED_HOST_FIELDS,
  SEED_USER_FIELDS,
  seedHosts,
  seedUsers,
  TAG_REWRITE_FIELDS,
  tagRewrites,
} from './rule-types.ts'

const policy = z.enum(['prod-wins', 'local-wins', 'hold'])

/**
 * Every setting, once. The file (TOML), the environment (`KOJI_STAGING_SYNC_PROD_HUB`), `--set`, the help and
 * the example file all come from this table. Names carry their unit.
 */
export const OPTIONS = {
  prod: {
    hub: required({
      type: httpUrl,
      example: 'https://koji.example.org/kojihub',
      help: "XML-RPC address of prod's hub. It is read anonymously and never written.",
    }),
    topdir: unset({
      type: treePath,
      example: '/mnt/prod-koji',
      help: "prod's file tree as this service sees it: a read-only mount. Placement `volume` needs it.",
    }),
    topurl: unset({
      type: httpUrl,
      example: 'https://kojipkgs.example.org',
      help: "Address of prod's package server (Koji's `topurl`). Placements `copy` and `in-place` fetch files from it where prod.topdir is not set.",
    }),
    link_target: unset({
      type: treePath,
      example: '/mnt/prod-koji',
      help: "prod's file tree as staging's hub, builders, web server and composers see it: what links point to.",
    }),
    ca_file: unset({
      type: absolutePath,
      example: '/etc/pki/tls/certs/prod-ca.pem',
      help: "CA certificates (PEM) that prod's hub is checked against; not set: those of the system.",
    }),
    requests_per_second: option(20, {
      type: z.number().min(0.1).max(10_000),
      help: 'Requests a second to prod at most, for everything together. Live work goes first.',
    }),
    concurrency: option(4, {
      type: integer({ min: 1, max: 64 }),
      help: 'Requests to prod at a time; from 2 on, one of them is for live work alone.',
    }),
    timeout_seconds: option(60, {
      type: seconds({ min: 0.1, max: 3600 }),
      help: 'How long prod may take to answer a request.',
    }),
    history_timeout_seconds: option(300, {
      type: seconds({ min: 0.1, max: 3600 }),
      help: "The same for catch-up's and reconcile's requests that read prod's history, for which its hub reads whole tables. Never less than timeout_seconds.",
    }),
    volumes: option<Record<string, string>>(
      { DEFAULT: 'prod' },
      {
        type: z.record(volumeName, volumeName),
        help: "Staging's volume for each of prod's volumes, by name.",
      },
    ),
    allow_writable_mount: option(false, {
      type: z.boolean(),
      help: "Start although prod.topdir can be written to. For tests; then nothing but our care protects prod's files.",
    }),
  },
  staging: {
    database: required({
      type: databaseUrl,
      example: 'postgresql://koji-staging-sync@db.stg.example.org:5432/koji',
      secret: true,
      help: "Address of staging's Koji database. Better without a password: see database_password_file.",
    }),
    database_password_file: unset({
      type: absolutePath,
      example: '/etc/koji-staging-sync/database_password',
      help: "File whose first line is the database's password; not set: the systemd credential `database_password`, if there is one.",
    }),
    ca_file: unset({
      type: absolutePath,
      example: '/etc/pki/tls/certs/stg-db-ca.pem',
      help: "CA certificates (PEM) that the database's server is checked against, with the name in its address (PostgreSQL's `verify-full`). Not set: what `sslmode` in the address says.",
    }),
    hub: unset({
      type: httpUrl,
      example: 'https://koji.stg.example.org/kojihub',
      help: "XML-RPC address of staging's hub. Only to refuse a mix-up with prod, and for `doctor`.",
    }),
    topdir: required({
      type: treePath,
      example: '/mnt/koji',
      help: "Staging's file tree, writable. Never inside of prod's.",
    }),
    user: option('koji-staging-sync', {
      type: plainText,
      form: 'text',
      help: 'Koji user that rows are created by. `init` makes it: blocked, without a password.',
    }),
    id_floor: option(1_000_000_000, {
      type: integer({ min: 1, max: 2_000_000_000 }),
      help: "Ids that staging gives out itself start above this, so that prod's ids stay free for prod's rows.",
    }),
    pool_size: option(12, {
      type: integer({ min: 4, max: 200 }),
      help: 'Connections to the database. A key that is converged holds one for some milliseconds.',
    }),
  },
  'bus.fedmsg': {
    endpoints: option<string[]>([], {
      type: z.array(endpoint),
      form: 'list',
      help: 'ZeroMQ publishers to subscribe to (tcp://host:port). Empty: no bus, changes are found by catch-up alone.',
    }),
    topic_prefix: option('org.fedoraproject.prod.buildsys.', {
      type: topicPrefix,
      form: 'text',
      help: "The start of the topics of prod's messages.",
    }),
    instance: option('primary', {
      type: plainText,
      form: 'text',
      help: 'Messages of another Koji instance are refused.',
    }),
    base_url: unset({
      type: httpUrl,
      example: 'https://koji.example.org',
      help: 'Messages that name another base_url are refused; not set: it is not looked at.',
    }),
    validate_signatures: option(true, {
      type: z.boolean(),
      help: 'Only messages that were signed by who may send them count. false takes every message from everybody.',
    }),
    ca: unset({
      type: fileOrUrl,
      example: 'https://fedoraproject.org/fedmsg/ca.crt',
      help: 'The CA that messages are checked against: a PEM file or its address, of which the first certificate counts. Read again when it changes. Must be given while signatures are checked.',
    }),
    crl: unset({
      type: fileOrUrl,
      example: 'https://fedoraproject.org/fedmsg/crl.pem',
      help: "The CA's revocation list (PEM file or address). When it has expired, no message counts. Not set: nobody is revoked.",
    }),
    policy_file: unset({
      type: absolutePath,
      example: '/etc/koji-staging-sync/routing_policy.json',
      help: 'JSON file of who may send what: {"topic": ["common name", ...]}. Read at the start. Not set: everybody whom the CA knows may send everything.',
    }),
    nitpicky: option(false, {
      type: z.boolean(),
      help: 'Topics that policy_file does not list are for nobody, instead of for everybody.',
    }),
    backends: option<'x509'[]>(['x509'], {
      type: z.array(z.enum(['x509'])).min(1),
      form: 'list',
      help: 'The kinds of signatures that count. x509 is the only one that is supported.',
    }),
    silence_timeout_seconds: option(600, {
      type: seconds({ min: 1 }),
      help: 'After this long without any message the connection is opened anew.',
    }),
  },
  'bus.datagrepper': {
    url: unset({
      type: httpUrl,
      example: 'https://apps.fedoraproject.org/datagrepper/raw',
      help: 'Where messages that were missed are looked for too, whenever the bus is connected anew: a search address of datagrepper. Not set: only catch-up looks.',
    }),
    lookback_seconds: option(21_600, {
      type: seconds({ min: 60, max: 604_800 }),
      help: 'How far back a look goes at most, and the first one after a start does.',
    }),
    validate_signatures: option(true, {
      type: z.boolean(),
      help: 'Only messages whose signatures bus.fedmsg would accept count. false trusts the server, by TLS: messages that came from fedora-messaging bear no signature.',
    }),
  },
  copy: {
    arches: option(['*'], {
      type: z.array(pattern).min(1),
      form: 'list',
      help: 'Shell patterns of the arches of rpms that placements `copy` and `in-place` bring; `src` is one.',
    }),
    signed_keys: option<string[]>([], {
      type: z.array(sigkey),
      form: 'list',
      help: 'Signing keys (8 hex digits) whose signed copies are made of the rpm and the cached signature, also where prod has pruned them.',
    }),
    sigcache: option(true, {
      type: z.boolean(),
      help: "Bring the cached signature headers. Without them staging's hub cannot write signed copies itself.",
    }),
    logs: option(true, {
      type: z.boolean(),
      help: "Bring the builds' logs. Over HTTP, where nothing lists them, they never come.",
    }),
    bytes_per_second: option(0, {
      type: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      help: 'All copying together takes no more than this; 0: as fast as it goes.',
    }),
    open_transfers: option(8, {
      type: integer({ min: 1, max: 256 }),
      help: 'Files that are copied or fetched at a time.',
    }),
    reflink: option(true, {
      type: z.boolean(),
      help: "Share blocks with prod's file where the file system can (btrfs, XFS); its bytes are judged all the same.",
    }),
    hardlink: option(false, {
      type: z.boolean(),
      help: "Make rpms and archives other names of prod's files, where they lie on the same mount and nobody's permission bits allow writing. Never signatures.",
    }),
    fsync: option(true, {
      type: z.boolean(),
      help: 'Files are on the disk before the rows that name them. false: faster, and after a loss of power scrub must find what is torn.',
    }),
    reserve_bytes: option(10 * 1024 ** 3, {
      type: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      help: 'Free space of staging.topdir that is never used up: below it nothing is copied until there is room again.',
    }),
    file_mode: option('0644', {
      type: fileMode,
      form: 'text',
      help: 'Permission bits of copied files. Of directories, owners and groups see `files`.',
    }),
  },
  files: {
    uid: unset({
      type: integer({ min: 0, max: 4_294_967_294 }),
      example: 48,
      help: "User id that owns the files and directories that are made in staging.topdir: the hub's. Not set: the owner of the directory above. Links belong to the owner of what they lead to, always.",
    }),
    gid: unset({
      type: integer({ min: 0, max: 4_294_967_294 }),
      example: 48,
      help: 'Group id of the same. Not set: the group of the directory above.',
    }),
    directory_mode: unset({
      type: directoryMode,
      form: 'text',
      example: '2775',
      help: "Permission bits of directories that are made. Not set: those of the directory above. Staging's hub must be able to write in them.",
    }),
  },
  in_place: {
    stamp: unset({
      type: treePath,
      example: '/mnt/koji/.taken-from-prod',
      help: 'File whose time of change says when the snapshot of placement `in-place` was taken; who takes it touches the file. `status` tells how old it is.',
    }),
    refresh_command: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: 'Program and arguments that take the snapshot anew, run by `refresh-snapshot` while no daemon works. README has examples.',
    }),
    refresh_timeout_seconds: option(3_600, {
      type: seconds({ min: 1, max: 86_400 }),
      help: 'The program is ended after this.',
    }),
  },
  scope: {
    tags: option(['*'], {
      type: z.array(pattern).min(1),
      form: 'list',
      help: 'Shell patterns of the tags to keep equal. What they inherit from and what their builds need follows.',
    }),
    exclude_tags: option(['*-side-[0-9]*'], {
      type: z.array(pattern),
      form: 'list',
      help: 'Shell patterns of tags to leave out although scope.tags covers them.',
    }),
    builds: option('tagged', {
      type: z.enum(['tagged', 'all']),
      form: 'text',
      help: '`tagged`: builds that are in a tag in scope. `all`: every complete build of prod.',
    }),
  },
  conflicts: {
    build: option('hold', {
      type: policy,
      form: 'text',
      help: 'When a build of staging wants the same name or id as one of prod: prod-wins, local-wins or hold.',
    }),
    tag: option('prod-wins', {
      type: policy,
      form: 'text',
      help: "The same for tags, targets, lists: prod-wins revokes staging's row, local-wins keeps it, hold writes nothing.",
    }),
    on_removed: option('hold', {
      type: z.enum(['hold', 'prod-wins']),
      form: 'text',
      help: 'What prod removes although staging uses it: hold keeps and reports it, prod-wins removes it all the same.',
    }),
  },
  worker: {
    concurrency: option(32, {
      type: integer({ min: 1, max: 128 }),
      help: 'Keys that are converged at a time: what they ask of prod goes together in few requests.',
    }),
    shutdown_grace_seconds: option(20, {
      type: seconds({ min: 0, max: 3600 }),
      help: 'How long work may go on after SIGTERM before it is given back.',
    }),
  },
  catch_up: {
    interval_seconds: option(60, {
      type: seconds({ min: 1 }),
      help: "Pause between two looks at prod's history.",
    }),
    rest_factor: option(10, {
      type: z.number().min(0).max(1000),
      help: "The pause is at least so many times as long as prod's hub took for the last look, up to half an hour: so catch-up keeps it busy for a tenth of the time at most.",
    }),
    overlap_seconds: option(21_600, {
      type: seconds({ min: 0 }),
      help: 'How far each look goes back behind the last one, for changes that became visible late.',
    }),
    long_at: option('02:30', {
      type: timeOfDay,
      form: 'text',
      help: "When one look a day goes back further (HH:MM, this host's time zone), or off. Missed ones are made up after the start.",
    }),
    long_overlap_seconds: option(604_800, {
      type: seconds({ min: 0, max: 31_536_000 }),
      help: 'How far that look goes back. It costs prod no more than any other; later changes than that reconcile finds.',
    }),
  },
  reconcile: {
    at: option('04:00', {
      type: timeOfDay,
      form: 'text',
      help: "When `run` compares everything in scope, once a day (HH:MM, this host's time zone); a missed one is made up after the start. off: by hand or by the systemd timer.",
    }),
    jitter_seconds: option(1_800, {
      type: seconds({ min: 0, max: 43_200 }),
      help: 'It begins up to this much later, at random, so that several stagings do not ask prod at once.',
    }),
  },
  scrub: {
    days: option(30, {
      type: z.number().min(0).max(3650),
      help: 'Every build that came from prod is looked at whole, rows and files, within so many days; 0: `run` does not scrub.',
    }),
    builds_per_second: option(5, {
      type: z.number().min(0.001).max(1000),
      help: 'The scrub never goes faster than this. How fast it has to go follows from scrub.days and the number of builds: see `status`.',
    }),
  },
  retention: {
    resolved_clash_days: option(90, {
      type: z.number().min(1).max(36_500),
      help: 'Clashes that are over are remembered for so many days, with what they were about.',
    }),
    checkpoint_days: option(90, {
      type: z.number().min(1).max(36_500),
      help: 'Every checkpoint (which event of staging stands for which of prod, per key) is kept for so many days: so far back `event` can answer.',
    }),
    checkpoints_per_key: option(20, {
      type: z.number().int().min(1).max(10_000),
      help: 'Of those that are older, each key keeps so many of its newest.',
    }),
  },
  seed: {
    left_out: option(
      [
        'buildroot_listing',
        'sessions',
        'build_notifications',
        'build_notifications_block',
        'proton_queue',
        'scheduler_log_messages',
      ],
      {
        type: z.array(pattern),
        form: 'list',
        help: "Shell patterns of the tables whose rows `seed` leaves out of prod's dump: the biggest one that no staging needs, and what is prod's own business.",
      },
    ),
    jobs: option(2, {
      type: integer({ min: 1, max: 16 }),
      help: 'Indexes and keys that `seed` makes at a time; more than the database server has processors for is of no use.',
    }),
    own_tables: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: "Tables of your own in prod's database, beside Koji's. `seed` loads them as they are, and refuses others that it does not know.",
    }),
    maintenance_database: option('postgres', {
      type: plainText,
      form: 'text',
      help: "Database of staging's server that `seed` connects to while it makes, renames and drops others.",
    }),
    channels: option<string[]>([], {
      type: z.array(plainText),
      form: 'list',
      help: 'Channels that staging has, beside those of the dump and of [[seed_host]].',
    }),
    keep_grants: option(false, {
      type: z.boolean(),
      help: "true keeps prod's permissions, groups and content generators' users after `seed`; false revokes all but those of [[seed_user]].",
    }),
  },
  http: {
    listen: option('127.0.0.1:9177', {
      type: listenAddress,
      form: 'text',
      help: 'Where `run` serves its page, /status.json, /metrics, /healthz and /readyz: host:port, a port alone (then on 127.0.0.1), or off.',
    }),
    linger_seconds: option(90, {
      type: seconds({ min: 0, max: 120 }),
      help: 'When writing has stopped for safety, `run` goes on serving for so long, so that this is scraped and seen, before it ends with status 14.',
    }),
  },
  log: {
    level: option('info', {
      type: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
      form: 'text',
      help: 'Log lines below this level are left out.',
    }),
  },
} as const satisfies Readonly<Record<string, Section>>

/** The settings that are lists of tables (`[[placement]]`); first match wins. */
export const TABLES = {
  placement: {
    ...option([{ mode: 'volume' as const }], {
      type: placements,
      help: "Where a build's files stand, by rule; the first rule that matches counts, the last one must match everything.",
    }),
    fields: PLACEMENT_FIELDS,
  },
  external_repo_rewrite: {
    ...option([], {
      type: externalRepoRewrites,
      help: "Rules for the URLs of prod's external repos; the first rule that matches counts.",
      example: [
        { match: '^https://kojipkgs\\.example\\.org/', replace: 'https://kojipkgs.stg.example.org/' },
      ],
    }),
    fields: EXTERNAL_REPO_REWRITE_FIELDS,
  },
  tag_rewrite: {
    ...option([], {
      type: tagRewrites,
      help: 'What must differ in staging: arches without builders there, extra settings. All rules that match are applied in order.',
      example: [{ tags: ['f*-build'], arches: ['x86_64', 'aarch64'], extra: { 'repo.auto': false } }],
    }),
    fields: TAG_REWRITE_FIELDS,
  },
  principal_rewrite: {
    ...option([], {
      type: principalRewrites,
      help: "Rules for the Kerberos principals of prod's dump, for `seed`; the first rule that matches counts. One that no rule matches is removed: nobody logs in as prod's.",
      example: [{ match: '@EXAMPLE\\.ORG$', replace: '@STG.EXAMPLE.ORG' }],
    }),
    fields: PRINCIPAL_REWRITE_FIELDS,
  },
  seed_user: {
    ...option([], {
      type: seedUsers,
      help: "Users of staging's own, for `seed`: who administers it, and what composes and imports there.",
      example: [{ name: 'alice', permissions: ['admin'], principals: ['alice@STG.EXAMPLE.ORG'] }],
    }),
    fields: SEED_USER_FIELDS,
  },
  seed_host: {
    ...option([], {
      type: seedHosts,
      help: "Builders of staging's, for `seed`. All of prod's are disabled.",
      example: [
        { name: 'builder1.stg.example.org', arches: ['x86_64', 'i386'], channels: ['default', 'createrepo'] },
      ],
    }),
    fields: SEED_HOST_FIELDS,
  },
} as const

/** All settings after loading, by section, named as in the file. */
export type Settings = {
  readonly [S in keyof typeof OPTIONS]: {
    readonly [N in keyof (typeof OPTIONS)[S]]: Loaded<(typeof OPTIONS)[S][N]>
  }
} & { readonly [T in keyof typeof TABLES]: z.output<(typeof TABLES)[T]['type']> }
