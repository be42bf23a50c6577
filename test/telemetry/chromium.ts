import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { WebSocket } from 'undici'
import { scratchHome } from '../support/scratch.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** A Chromium that is installed here, of the environment's `CHROMIUM` or on the path; null: there is none. Nothing is ever downloaded. */
export function findChromium(): string | null {
  const { CHROMIUM, PATH = '' } = process.env
  const files = PATH.split(delimiter).flatMap((directory) => NAMES.map((name) => join(directory, name)))
  return [...(CHROMIUM === undefined ? [] : [CHROMIUM]), ...files].find(isProgram) ?? null
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** A headless Chromium, driven by its own protocol (https://chromedevtools.github.io/devtools-protocol). */
export class Chromium {
  readonly #process: ChildProcess
  readonly #directory: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #heard: ((method: string) => void)[] = []
  #session: string | undefined
  #last = 0

  private constructor(process: ChildProcess, directory: string, socket: WebSocket) {
    this.#process = process
    this.#directory = directory
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#told(JSON.parse(String(data)) as Answer))
  }

  static async start(program: string): Promise<Chromium> {
    const directory = mkdtempSync(join(scratchHome(), 'kss-chromium-'))
    const child = spawn(
      program,
      [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--hide-scrollbars',
        '--no-first-run',
      ]
        .concat([
          '--disable-background-networking',
          '--disable-component-update',
          '--remote-debugging-port=0',
        ])
        .concat([`--user-data-dir=${directory}`, 'about:blank']),
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const address = await new Promise<string>((resolve, reject) => {
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1]
        if (found !== undefined) resolve(found)
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`${program} ended: ${said}`)))
    })
    const socket = new WebSocket(address)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true })
      socket.addEventListener('error', reject, { once: true })
    })
    const made = new Chromium(child, directory, socket)
    const { targetId } = await made.#ask<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
    const attached = await made.#ask<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    made.#session = attached.sessionId
    await made.#ask('Page.enable')
    return made
  }

  /** Loads an address in a window of that size, as a person with this device would; without JavaScript if so asked. */
  async open(url: string, size: { readonly width: number; readonly height: number }): Promise<void> {
    await this.#ask('Emulation.setDeviceMetricsOverride', {
      ...size,
      deviceScaleFactor: 1,
      mobile: size.width < 600,
    })
    const loaded = new Promise<void>((resolve) =>
      this.#heard.push((method) => method === 'Page.loadEventFired' && resolve()),
    )
    await this.#ask('Page.navigate', { url })
    await loaded
    this.#heard.length = 0
  }

  /** The value of an expression in the page, as JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#ask<{ result: { value: T }; exceptionDetails?: { text: string } }>(
      'Runtime.evaluate',
      {
        expression,
        returnByValue: true,
      },
    )
    if (answer.exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(answer)}`)
    return answer.result.value
  }

  /** The whole page as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#ask<{ data: string }>('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })
    return Buffer.from(data, 'base64')
  }

  async destroy(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    await this.#ask('Browser.close').catch(() => this.#process.kill('SIGKILL'))
    await ended
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  #ask<T>(method: string, params: object = {}): Promise<T> {
    this.#last += 1
    const id = this.#last
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(`${method}: ${error.message}`)),
      )
      this.#socket.send(
        JSON.stringify({
          id,
          method,
          params,
          sessionId: /^(Browser|Target)/.test(method) ? undefined : this.#session,
        }),
      )
    })
  }

  #told(answer: Answer): void {
    if (answer.id === undefined) for (const heard of this.#heard) heard(answer.method ?? '')
    else this.#waiting.get(answer.id)?.(answer)
  }
}
