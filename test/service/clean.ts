import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { serviceUrl } from '../support/service-role.ts'
import { exec } from './guest.ts'

/*
 * README's steps on a clean Debian with nothing but Node: the commands are taken from README.md as they stand there. No systemd runs in
 * it, so its units are verified, and the service runs under what they give it: its user, its one capability, its credential, a root that is
 * read-only but for staging's tree.
 *
 *   mmdebstrap --variant=minbase --include=systemd,ca-certificates,libstdc++6,util-linux,acl bookworm ROOT
 *   npx tsx test/service/clean.ts ROOT        as root; ROOT is changed
 */

const PROJECT = join(import.meta.dirname, '..', '..')
const USER = 'koji-staging-sync'
const CONFIG = `/etc/${USER}/${USER}.toml`
const UNITS = [`${USER}.service`, `${USER}@.service`, `${USER}-reconcile.service`, `${USER}-reconcile.timer`]

let failures = 0
function check(what: string, ok: boolean, seen = ''): void {
  if (!ok) failures += 1
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}${seen === '' ? '' : `: ${seen.trim()}`}\n`)
}

/** The commands of one of README's ten steps. */
function step(number: number): string {
  const [, text = ''] =
    readFileSync(join(PROJECT, 'README.md'), 'utf8').split(new RegExp(`^${number}\\. \\*\\*`, 'm')) ?? []
  const lines = (text.split(/^\d+\. \*\*/m)[0] ?? '').split('\n')
  return lines
    .filter((line) => /^ {7,}\S/.test(line))
    .map((line) => line.trim())
    .join('\n')
}

interface Ended {
  readonly code: number
  readonly text: string
}

class Clean {
  readonly #root: string
  readonly #world: E2eWorld

  constructor(root: string, world: E2eWorld) {
    this.#root = root
    this.#world = world
  }

  /** A command line in there, with both trees mounted as on a real host. `locked`: nothing can be written but staging's tree. */
  argv(script: string, { locked = false, as = '' } = {}): string[] {
    const root = this.#root
    const mounts = [
      `mount --bind ${root} ${root}`,
      `mount -t proc proc ${root}/proc`,
      `mount --rbind /dev ${root}/dev`,
      `mkdir -p ${root}/mnt/prod-koji ${root}/mnt/koji`,
      `mount --bind ${join(this.#world.root, 'prod')} ${root}/mnt/prod-koji`,
      `mount -o remount,bind,ro ${root}/mnt/prod-koji`,
      `mount --bind ${join(this.#world.root, 'staging')} ${root}/mnt/koji`,
      ...(locked ? [`mount -t tmpfs tmpfs ${root}/tmp`, `mount -o remount,bind,ro ${root}`] : []),
      `exec chroot ${root} ${as} sh -euc "$1"`,
    ]
    return ['--mount', '--propagation', 'private', 'sh', '-euc', mounts.join('\n'), 'sh', script]
  }

  async run(script: string, how: { locked?: boolean; as?: string } = {}): Promise<Ended> {
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      ...NPM,
    }
    try {
      const { stdout, stderr } = await exec('unshare', this.argv(script, how), { env })
      return { code: 0, text: stdout + stderr }
    } catch (error) {
      const {
        code = 1,
        stdout = '',
        stderr = '',
      } = error as { code?: number; stdout?: string; stderr?: string }
      return { code, text: stdout + stderr }
    }
  }

  /** As the unit has it. */
  start(script: string): ChildProcess {
    return spawn('unshare', this.argv(script, { locked: true, as: SERVICE }), {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CREDENTIALS_DIRECTORY: CREDENTIALS },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }
}

const CREDENTIALS = '/etc/credstore/of-the-service'
/** User=, CapabilityBoundingSet=, AmbientCapabilities= and NoNewPrivileges= of the unit. */
const SERVICE = `setpriv --reuid ${USER} --regid ${USER} --init-groups --bounding-set -all,+chown --inh-caps -all,+chown --ambient-caps -all,+chown --no-new-privs`
/** Where this machine's npm gets packages from. */
const NPM: Record<string, string> = {
  npm_config_cache: '/tmp/npm',
  npm_config_update_notifier: 'false',
  NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
}

const root = process.argv[2] ?? ''
if (!existsSync(join(root, 'etc', 'debian_version'))) {
  process.stderr.write('usage: clean.ts ROOT, a Debian made by mmdebstrap: see the head of this file\n')
  process.exit(2)
}
NPM.npm_config_registry = (await exec('npm', ['config', 'get', 'registry'])).stdout.trim()

const world = await e2eWorld({ init: false })
try {
  // Node and its npm, as a host has them.
  mkdirSync(join(root, 'usr/lib/node_modules'), { recursive: true })
  cpSync(process.execPath, join(root, 'usr/bin/node'))
  const npm = join((await exec('npm', ['root', '--global'])).stdout.trim(), 'npm')
  cpSync(npm, join(root, 'usr/lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true })
  await exec('ln', ['-sf', '../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/bin/npm')])
  for (const file of ['resolv.conf', 'hosts', 'ssl/certs/ca-certificates.crt'])
    cpSync(join('/etc', file), join(root, 'etc', file), { dereference: true })
  await exec('npm', ['pack', '--silent', '--pack-destination', root], { cwd: PROJECT })
  const clean = new Clean(root, world)
  const node = await clean.run('node --version; dpkg -l | wc -l')
  check('a Debian with nothing but Node', node.code === 0, node.text.replace('\n', ', packages: '))

  const first = await clean.run(`cd /; ${step(1)}`)
  check('step 1, the program', /^0\.1\.0$/m.test(first.text), first.code === 0 ? '0.1.0' : first.text)
  // There is no systemd to be told of the units.
  const second = await clean.run(`systemctl() { :; }; ${step(2)}`)
  check('step 2, units and user', /^uid=\d+\(koji-staging-sync\)/m.test(second.text), second.text)
  const verified = await clean.run(
    `systemd-analyze verify --man=no ${UNITS.map((unit) => `/etc/systemd/system/${unit}`).join(' ')}`,
  )
  check(
    'systemd takes the units without a word',
    verified.code === 0 && verified.text.trim() === '',
    verified.text,
  )
  const third = await clean.run(step(3))
  check("step 3, prod's tree is read-only", /Read-only file system/.test(third.text), third.text)
  // The tree is the hub's, which is Debian's web server.
  const hubs = step(4).replace('HUB=apache', 'HUB=www-data')
  const fourth = await clean.run(`mkdir -p /mnt/koji/packages; chown -R www-data:www-data /mnt/koji; ${hubs}`)
  check("step 4, staging's tree is writable for it", fourth.text.trim().endsWith('yes'), fourth.text)

  const owner = world.asOwner[1].replace('staging.database=', '')
  const database = new URL(serviceUrl(owner))
  const { password } = database
  database.password = ''
  writeFileSync(join(root, CONFIG), configuration(database.href))
  await clean.run(`chgrp ${USER} ${CONFIG}; chmod 0640 ${CONFIG}`)
  const sixth = await clean.run(`${USER} doctor --listen 1 && echo 'ended with 0' || echo "ended with $?"`)
  check(
    'step 6, the configuration is one',
    /ended with \d+$/m.test(sixth.text) && !/ended with 78/.test(sixth.text),
  )
  // As systemd hands a credential over: a directory that only the service can read.
  await clean.run(
    `install -d -m 0500 -o ${USER} ${CREDENTIALS}; install -m 0400 -o ${USER} /dev/null ${CREDENTIALS}/database_password`,
  )
  await exec('sh', ['-c', `printf %s "$1" >${join(root, CREDENTIALS)}/database_password`, 'sh', password])
  check('step 7, the password is a credential', existsSync(join(root, CREDENTIALS, 'database_password')))

  const init = `${USER} init --set "$S"`
  const said = await clean.run(`S=staging.database=${owner}; ${init}`)
  check('step 8, staging is prepared', said.code === 0, said.text.split('\n')[0])
  await world.sql(
    (await clean.run(`S=staging.database=${owner}; ${init} --print-grants --role ${USER}`)).text,
  )
  const again = (await clean.run(`S=staging.database=${owner}; ${init}`)).text
  check(
    'the second time nothing is done',
    again.includes('unchanged') && !/^done/m.test(again),
    again.split('\n')[0],
  )
  const asService = `CREDENTIALS_DIRECTORY=${CREDENTIALS} ${USER}`
  const ninth = await clean.run(`${asService} doctor --listen 1`, { locked: true, as: SERVICE })
  check(
    'step 9, doctor as the service finds nothing that fails',
    ninth.code === 0,
    ninth.code === 0 ? '' : ninth.text,
  )
  await runs(clean, asService)
} finally {
  await world.close()
}
process.stdout.write(failures === 0 ? '\nAll as it should be.\n' : `\n${failures} not as they should be.\n`)
process.exit(failures === 0 ? 0 : 1)

/** Step 10, and what comes after it. */
async function runs(clean: Clean, asService: string): Promise<void> {
  const daemon = clean.start(`exec ${USER} run --config ${CONFIG}`)
  const ended = new Promise<number | null>((resolve) => daemon.once('exit', resolve))
  let log = ''
  daemon.stdout?.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  const ready = async (): Promise<string> => {
    const port = /"port":(\d+),"msg":"http listens"/.exec(log)?.[1]
    if (port === undefined) return ''
    return (
      (await fetch(`http://127.0.0.1:${port}/readyz`).then(
        (answer) => answer.text(),
        () => '',
      )) ?? ''
    )
  }
  const isReady = (text: string): boolean =>
    text !== '' &&
    text
      .trim()
      .split('\n')
      .every((line) => line.startsWith('ok'))
  for (let tries = 0; tries < 600 && daemon.exitCode === null && !isReady(await ready()); tries += 1)
    await sleep(250)
  check(
    'step 10, it runs with a root that is read-only: ok in each line',
    isReady(await ready()),
    isReady(await ready()) ? '' : `${await ready()}${log}`,
  )
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'x86_64' }] })
  await prod.tagBuild('f43', 'bash-5-1')
  await world.equal({ tags: ['f43'] })
  check("a build comes: staging's hub answers as prod's", true)
  const compared = await clean.run(`${asService} reconcile --dry-run`, { locked: true, as: SERVICE })
  check('reconcile --dry-run ends with 0', compared.code === 0, compared.text)
  const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8')
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
  check(
    'it has no capability but CAP_CHOWN, and can get none',
    Number.parseInt(field('CapEff'), 16) === 1 &&
      Number.parseInt(field('CapBnd'), 16) === 1 &&
      field('NoNewPrivs') === '1',
  )
  daemon.kill('SIGTERM')
  check('SIGTERM ends it with 0', (await ended) === 0)
}

function configuration(database: string): string {
  return `[prod]
hub = "${world.way.url}"
topdir = "/mnt/prod-koji"
link_target = "/mnt/prod-koji"
[staging]
database = "${database}"
topdir = "/mnt/koji"
[bus.fedmsg]
endpoints = ["${world.bus.endpoint}"]
validate_signatures = false
[catch_up]
interval_seconds = 5
[http]
listen = "127.0.0.1:0"
`
}
