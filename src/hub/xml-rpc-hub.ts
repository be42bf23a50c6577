import { setMaxListeners } from 'node:events'
import { KeyError, StopError } from '../errors.ts'
import type { Value } from '../model/value.ts'
import { noStep, type Step } from '../step.ts'
import { type Ask, adaptCall, type Known } from './adapt.ts'
import { ANSWER_LIMITS, type AnswerLimits } from './answer-limits.ts'
import { getKojiVersion } from './calls-lookup.ts'
import { Dispatcher, type RequestReport } from './dispatcher.ts'
import { maxEncodedBytes } from './encode.ts'
import { HubFault } from './fault.ts'
import type { Answers, Call, Hub, ReadOptions } from './hub.ts'
import { HubApi, OLDEST_VERSION, parseVersion } from './hub-api.ts'
import { Limiter } from './limiter.ts'
import { type BatchLimits, type CallAnswer, Piece, piecesOf } from './piece.ts'
import { Transport } from './transport.ts'

export interface XmlRpcHubOptions {
  /** http or https; no user, password or query. */
  readonly url: string
  /** PEM text of the certificates to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly requestsPerSecond: number
  readonly concurrency: number
  /** Silence of the hub after which it counts as down. */
  readonly timeoutMs: number
  /** The same for queryHistory, for which the hub scans whole tables; default: `timeoutMs`. */
  readonly historyTimeoutMs?: number
  readonly step?: Step
  readonly onRequest?: (report: RequestReport) => void
  /** The rest has defaults that suit real hubs. */
  readonly totalTimeoutMs?: number
  readonly maxCallsPerRequest?: number
  readonly maxRequestBytes?: number
  readonly answerLimits?: AnswerLimits
  readonly retryDelaysMs?: readonly number[]
}

/** koji's MaxRequestLength is 4 MiB; some room for the envelope. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024 - 4096
/** A hub that is upgraded while we run shows its new arguments after so long. */
const API_LIFETIME_MS = 3_600_000

/** What the hub can do, asked for; `known` once it has been answered. */
interface AskedApi {
  readonly value: Promise<HubApi>
  known?: HubApi
  readonly expiresMs: number
}

/** Prod's hub over XML-RPC: batching, limits and adaptation to its version. See `Hub`. */
export class XmlRpcHub implements Hub {
  readonly #transport: Transport
  readonly #dispatcher: Dispatcher
  readonly #limits: BatchLimits
  #api: AskedApi | undefined

  /** Connects on first use. Throws HUB_URL. */
  constructor(options: XmlRpcHubOptions) {
    this.#limits = {
      maxCalls: options.maxCallsPerRequest ?? 200,
      maxBytes: options.maxRequestBytes ?? MAX_REQUEST_BYTES,
    }
    this.#transport = new Transport({
      url: options.url,
      ca: options.ca,
      connections: options.concurrency,
      timeoutMs: options.timeoutMs,
      slowTimeoutMs: options.historyTimeoutMs ?? options.timeoutMs,
      totalTimeoutMs: options.totalTimeoutMs ?? options.timeoutMs * 10,
      userAgent: 'koji-staging-sync',
    })
    this.#dispatcher = new Dispatcher({
      transport: this.#transport,
      limiter: new Limiter(options, performance.now()),
      limits: this.#limits,
      answerLimits: options.answerLimits ?? ANSWER_LIMITS,
      retryDelaysMs: options.retryDelaysMs ?? [100, 400, 1000],
      step: options.step ?? noStep,
      onRequest: options.onRequest ?? (() => undefined),
    })
  }

  async read<const C extends readonly Call<unknown>[]>(calls: C, options: ReadOptions): Promise<Answers<C>> {
    const { signal } = options
    const api = this.#knownApi() ?? (await unlessAborted(this.#hubApi(), signal))
    const plans = calls.map((call) => adaptCall(call, api))
    const asks = plans.filter((plan) => plan.kind === 'ask')
    const answers: CallAnswer[] = []
    for (const piece of piecesOf(asks, options.priority, this.#limits)) {
      answers.push(...(await this.#send(piece, signal)))
    }
    return plans.map((plan) => this.#meaning(plan, answers)) as Answers<C>
  }

  async version(): Promise<readonly [number, number, number]> {
    const api = await this.#hubApi()
    if (!api.has('getKojiVersion')) return OLDEST_VERSION
    const [text] = await this.read([getKojiVersion()], { priority: 'live' })
    const version = parseVersion(text)
    if (version !== null) return version
    throw new KeyError('HUB_ANSWER_INVALID', `the hub's version is ${JSON.stringify(text.slice(0, 80))}`)
  }

  async destroy(): Promise<void> {
    this.#dispatcher.destroy()
    await this.#transport.destroy()
  }

  /** Takes the plan's answer off the front. */
  #meaning(plan: Ask<unknown> | Known<unknown>, answers: CallAnswer[]): unknown {
    if (plan.kind === 'known') return plan.answer
    const answer = answers.shift() as CallAnswer
    if ('value' in answer) return plan.decode(answer.value)
    if (answer.error instanceof HubFault && isOtherApi(answer.error)) this.#api = undefined
    throw answer.error
  }

  async #send(piece: Piece, signal: AbortSignal | undefined): Promise<readonly CallAnswer[]> {
    const giveUp = () => piece.reject(stopReason(signal))
    if (signal?.aborted === true) throw stopReason(signal)
    // A sweep's signal is on all of its reads at once.
    if (signal !== undefined) setMaxListeners(0, signal)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      this.#dispatcher.submit(piece)
      return await piece.answers
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** What the hub can do; asked once for all callers. */
  #hubApi(): Promise<HubApi> {
    const known = this.#api
    if (known !== undefined && known.expiresMs > performance.now()) return known.value
    const value = this.#askApi()
    const asked: AskedApi = { value, expiresMs: performance.now() + API_LIFETIME_MS }
    this.#api = asked
    value.then(
      (api) => {
        asked.known = api
      },
      () => {
        if (this.#api === asked) this.#api = undefined
      },
    )
    return value
  }

  /** What the hub can do, if that has been answered already: nearly always. */
  #knownApi(): HubApi | undefined {
    const api = this.#api
    return api !== undefined && api.expiresMs > performance.now() ? api.known : undefined
  }

  async #askApi(): Promise<HubApi> {
    const listing = await this.#askRaw('_listapi')
    if ('value' in listing) return HubApi.ofListing(listing.value)
    if (!(listing.error instanceof HubFault)) throw listing.error
    const answer = await this.#askRaw('getKojiVersion')
    if ('value' in answer) return HubApi.ofVersion(parseVersion(answer.value) ?? OLDEST_VERSION)
    if (!(answer.error instanceof HubFault)) throw answer.error
    return HubApi.ofVersion(OLDEST_VERSION)
  }

  /** A call without arguments, before it is known what the hub can do. */
  async #askRaw(method: '_listapi' | 'getKojiVersion'): Promise<CallAnswer> {
    const ask: Ask<Value> = {
      kind: 'ask',
      method,
      params: [],
      bytes: maxEncodedBytes(method),
      decode: (answer) => answer,
    }
    const [answer] = await this.#send(new Piece([ask], 'live'), undefined)
    return answer as CallAnswer
  }
}

/** ParameterError, or a method that is gone: the hub is not the one that `_listapi` described. */
function isOtherApi(fault: HubFault): boolean {
  return fault.faultCode === 1019 || fault.faultString.startsWith('Invalid method')
}

function stopReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof StopError
    ? signal.reason
    : new StopError('HUB_STOPPED', 'the read was given up', { cause: signal?.reason })
}

/** `promise`, but no longer than the signal lets it. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) {
    promise.catch(() => undefined)
    throw stopReason(signal)
  }
  const ended = new AbortController()
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(stopReason(signal)), { signal: ended.signal })
      }),
    ])
  } finally {
    ended.abort()
  }
}
