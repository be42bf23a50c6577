import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { serviceUrl } from '../support/service-role.ts'
import { exec, Guest } from './guest.ts'

/*
 * README's steps on a system of its own: systemd as process 1 of namespaces (boot.sh), the packed package installed with npm, the units
 * as they are shipped, a prod and a staging Koji beside it. Says what it does and what it saw; exit status 0 only if all of it was so.
 *
 *   npx tsx test/service/service.ts        as root, on Linux with systemd installed (it need not run)
 */

const ROOT = join(import.meta.dirname, '..', '..')
const CONFIG = '/etc/koji-staging-sync/koji-staging-sync.toml'
const UNIT = 'koji-staging-sync.service'
const SHIPPED = '/usr/lib/node_modules/koji-staging-sync'
const PATIENCE_MS = 180_000

let failures = 0
function title(text: string): void {
  process.stdout.write(`\n${text}\n`)
}
function check(what: string, ok: boolean, seen = ''): void {
  if (!ok) failures += 1
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}${seen === '' ? '' : `: ${seen.trim()}`}\n`)
}

class Steps {
  readonly #world: E2eWorld
  readonly #guest: Guest
  readonly #password: string
  readonly #owner: string

  constructor(world: E2eWorld, guest: Guest) {
    this.#world = world
    this.#guest = guest
    this.#owner = world.asOwner[1].replace('staging.database=', '')
    this.#password = new URL(serviceUrl(this.#owner)).password
  }

  async install(): Promise<void> {
    title('Install')
    const { run, copy } = this.#short()
    const early = ['systemd-journald.socket', 'systemd-journald.service', 'dbus.socket', 'dbus.service']
    await run('systemctl', 'start', '--job-mode=ignore-dependencies', ...early)
    await run(
      'npm',
      'install',
      '--global',
      '--prefix',
      '/usr',
      '--cache',
      '/tmp/npm',
      '--no-audit',
      '--no-fund',
      '/mnt/package.tgz',
    )
    check('the command runs', true, await run('koji-staging-sync', '--version'))
    check(
      'nothing for development is installed',
      !(await this.#guest.try('ls', `${SHIPPED}/node_modules/tsx`)).ok,
    )
    const page = await this.#guest.try('man', '--where', 'koji-staging-sync')
    check('the manual page is found', page.ok, page.text)
    await run('sh', '-c', `cp ${SHIPPED}/systemd/*.service ${SHIPPED}/systemd/*.timer /etc/systemd/system/`)
    await copy('koji-staging-sync.sysusers.conf', '/usr/lib/sysusers.d/koji-staging-sync.conf')
    await copy('koji-staging-sync.tmpfiles.conf', '/usr/lib/tmpfiles.d/koji-staging-sync.conf')
    await run('systemd-sysusers')
    await run('systemd-tmpfiles', '--create', 'koji-staging-sync.conf')
    await run('systemctl', 'daemon-reload')
    check('it has a user of its own', true, await run('id', 'koji-staging-sync'))
    // As on a hub: the tree is the web server's, whose group may write; the service is a member.
    await run('groupadd', '--force', '--system', 'kojihub')
    await run('useradd', '--system', '--no-create-home', '--gid', 'kojihub', 'kojihub')
    await run('usermod', '--append', '--groups', 'kojihub', 'koji-staging-sync')
    await run('chown', '-R', 'kojihub:kojihub', '/mnt/koji')
    await run('find', '/mnt/koji', '-type', 'd', '-exec', 'chmod', '2775', '{}', '+')
  }

  async configure(): Promise<void> {
    title('Configure')
    const { run } = this.#short()
    await this.#configuration()
    await run('mkdir', '-p', '-m', '0700', '/etc/credstore')
    await this.#guest.write('/etc/credstore/koji-staging-sync.database_password', `${this.#password}\n`)
    const asOwner = ['--set', `staging.database=${this.#owner}`]
    process.stdout.write(await run('koji-staging-sync', 'init', ...asOwner))
    const role = ['--print-grants', '--role', 'koji-staging-sync']
    await this.#world.sql(await run('koji-staging-sync', 'init', ...asOwner, ...role))
    // As the service: its user, its password.
    await run(
      'systemd-run',
      '--wait',
      '--pipe',
      '-p',
      'DefaultDependencies=no',
      '--collect',
      '--quiet',
      '-p',
      'User=koji-staging-sync',
      '-p',
      'AmbientCapabilities=CAP_CHOWN',
      '-p',
      'LoadCredential=database_password:koji-staging-sync.database_password',
      'koji-staging-sync',
      'doctor',
      '--listen',
      '1',
    ).then(
      (text) => {
        process.stdout.write(text)
        check('doctor finds nothing that fails', true)
      },
      (error: { stdout?: string; stderr?: string }) =>
        check('doctor finds nothing that fails', false, `${error.stdout}${error.stderr}`),
    )
  }

  async start(): Promise<void> {
    title('Run')
    const { run, show } = this.#short()
    await run('mkdir', '-p', `/etc/systemd/system/${UNIT}.d`)
    // So that this need not wait for minutes; and this system has nothing of what comes before.
    await this.#guest.write(
      `/etc/systemd/system/${UNIT}.d/here.conf`,
      '[Unit]\nDefaultDependencies=no\n[Service]\nWatchdogSec=20\nRestartSec=1\n',
    )
    await run('systemctl', 'daemon-reload')
    const started = await this.#guest.try('systemctl', 'start', UNIT)
    check(
      'systemctl start returns when the service is ready',
      started.ok,
      started.text || (await show('StatusText')),
    )
    if (!started.ok) throw new Error(`not started: ${await this.#journal()}`)
  }

  /** What systemd's rules leave the process. */
  async rules(): Promise<void> {
    title('Rules')
    const { run, show } = this.#short()
    const pid = await show('MainPID')
    const status = await run('cat', `/proc/${pid}/status`)
    const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
    const uid = (await run('id', '-u', 'koji-staging-sync')).trim()
    check('runs as its own user', field('Uid').split('\t')[0] === uid, `uid ${uid}`)
    // CAP_CHOWN is the first.
    check('has no capability but CAP_CHOWN', Number.parseInt(field('CapBnd'), 16) === 1, field('CapEff'))
    check(
      'has no new privileges, and filtered system calls',
      field('NoNewPrivs') === '1' && field('Seccomp') === '2',
    )
    const inside = (...argv: string[]) => this.#guest.try('nsenter', '-t', pid, '-m', ...argv)
    for (const path of ['/etc/x', '/usr/x', '/var/lib/x', '/mnt/prod-koji/x'])
      check(`cannot write ${path}`, /Read-only file system/.test((await inside('touch', path)).text))
    const writes = (await inside('touch', '/mnt/koji/x')).ok && (await inside('rm', '/mnt/koji/x')).ok
    check('can write /mnt/koji', writes)
    const secret = await inside('cat', `/run/credentials/${UNIT}/database_password`)
    const environment = await run('cat', `/proc/${pid}/environ`)
    check(
      'has the password as a credential, not in its environment',
      secret.text.trim() === this.#password && !environment.includes(this.#password),
    )
    const lines = (await run('journalctl', '--no-pager', '-o', 'json', '-u', UNIT)).trim().split('\n')
    const warned = lines
      .map((line) => JSON.parse(line) as Record<string, string>)
      .find(({ MESSAGE = '' }) => MESSAGE.includes('"level":"warn"'))
    check("its warnings have the journal's priority", warned?.PRIORITY === '4')
    check('nothing in the journal tells the password', !lines.join().includes(this.#password))
  }

  async changes(): Promise<void> {
    title('Changes of prod')
    const { run, show } = this.#short()
    const { prod } = this.#world
    await prod.addTag('f43', { arches: 'x86_64' })
    await prod.addPackage('f43', 'bash')
    await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms: [{ arch: 'x86_64' }] })
    await prod.tagBuild('f43', 'bash-5-1')
    const link = '/mnt/koji/vol/prod/packages/bash/5/1'
    await this.#until(
      'a build comes with its files',
      async () => (await this.#guest.try('test', '-L', link)).ok,
    )
    check("which link into prod's tree", true, await run('readlink', link))
    const [made = '', above = ''] = (
      await run('stat', '--format', '%U:%G %a', '/mnt/koji/packages/bash', '/mnt/koji/packages')
    ).split('\n')
    check("what is made is the hub's, as all is there", made === above && made.startsWith('kojihub:'), made)
    await this.#world.equal({ tags: ['f43'] })
    check("staging's hub answers as prod's", true)
    await this.#until('the status tells lag and queue', async () =>
      /^lag .*queue/.test(await show('StatusText')),
    )
    process.stdout.write(`     ${await show('StatusText')}\n`)
  }

  async reload(): Promise<void> {
    title('Reload')
    const { run, show } = this.#short()
    await this.#configuration('[log]\nlevel = "nonsense"\n')
    await run('systemctl', 'reload', UNIT)
    await this.#said('a wrong configuration is refused', 'new configuration refused')
    check('the daemon goes on', (await show('ActiveState')) === 'active' && (await show('NRestarts')) === '0')
    const pid = await show('MainPID')
    await this.#configuration('[log]\nlevel = "debug"\n')
    await run('systemctl', 'reload', UNIT)
    await this.#said('a right one is worked with', 'all work begins anew with it')
    const ready = async (): Promise<boolean> => (await this.#journal()).split('"service ready"').length === 3
    await this.#until('it is ready again', ready)
    check('in the same process', (await show('MainPID')) === pid)
  }

  async trouble(): Promise<void> {
    title('Trouble')
    const { run, show } = this.#short()
    const again = async (times: string): Promise<boolean> =>
      (await show('NRestarts')) === times && (await show('ActiveState')) === 'active'
    await run('kill', '-STOP', await show('MainPID'))
    await this.#until('one that stands still is killed by the watchdog and started anew', () => again('1'))
    await run('kill', '-KILL', await show('MainPID'))
    await this.#until('one that was killed is started anew', () => again('2'))
    await run('systemctl', 'stop', UNIT)
    check(
      'it stops in order, with 0',
      (await show('Result')) === 'success' && (await show('ExecMainStatus')) === '0',
    )
    const once = await this.#guest.try(
      'systemctl',
      'start',
      '--job-mode=ignore-dependencies',
      'koji-staging-sync-reconcile.service',
    )
    check('reconcile runs as a unit of its own', once.ok, once.text)
    await this.#guest.write(CONFIG, 'nonsense = 1\n')
    await this.#guest.try('systemctl', 'start', UNIT)
    await this.#until(
      'a wrong configuration ends a start with 78',
      async () => (await show('ExecMainStatus')) === '78',
    )
    await sleep(3_000)
    check(
      'which is not tried again',
      (await show('ActiveState')) === 'failed' && (await show('NRestarts')) === '0',
    )
  }

  #short() {
    return {
      run: (...argv: string[]) => this.#guest.run(...argv),
      copy: (name: string, to: string) => this.#guest.run('cp', `${SHIPPED}/systemd/${name}`, to),
      show: async (property: string) =>
        (await this.#guest.run('systemctl', 'show', '--value', '-p', property, UNIT)).trim(),
    }
  }

  #journal(): Promise<string> {
    return this.#guest.run('journalctl', '--no-pager', '-o', 'cat', '-u', UNIT)
  }

  #said(what: string, text: string): Promise<void> {
    return this.#until(what, async () => (await this.#journal()).includes(text))
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS
    while (!(await holds())) {
      if (performance.now() > endMs) {
        const { text } = await this.#guest.try('systemctl', 'status', '--no-pager', '-n', '20', UNIT)
        return check(what, false, text)
      }
      await sleep(250)
    }
    check(what, true)
  }

  #configuration(more = ''): Promise<void> {
    const url = new URL(serviceUrl(this.#owner))
    url.password = ''
    return this.#guest.write(
      CONFIG,
      `
[prod]
hub = "${this.#world.way.url}"
topdir = "/mnt/prod-koji"
link_target = "/mnt/prod-koji"
[staging]
database = "${url.href}"
topdir = "/mnt/koji"
[bus.fedmsg]
endpoints = ["${this.#world.bus.endpoint}"]
validate_signatures = false
[catch_up]
interval_seconds = 5
${more}`,
    )
  }
}

const world = await e2eWorld({ init: false })
try {
  await exec('npm', ['pack', '--silent', '--pack-destination', world.root], { cwd: ROOT })
  const tarball = join(world.root, readdirSync(world.root).find((name) => name.endsWith('.tgz')) ?? '')
  const guest = await Guest.start(join(world.root, 'prod'), join(world.root, 'staging'), tarball)
  try {
    const steps = new Steps(world, guest)
    await steps.install()
    await steps.configure()
    await steps.start()
    await steps.rules()
    await steps.changes()
    await steps.reload()
    await steps.trouble()
  } finally {
    await guest.stop()
  }
} finally {
  await world.close()
}
process.stdout.write(failures === 0 ? '\nAll as it should be.\n' : `\n${failures} not as they should be.\n`)
// The tests' PostgreSQL stays as long as this process.
process.exit(failures === 0 ? 0 : 1)
