import type { z } from 'zod'
import type { TopicLabel } from '../model/topics.ts'
import {
  buildStateChangeSchema,
  oldRpmSignSchema,
  originSchema,
  packageListChangeSchema,
  promoteSchema,
  repoSchema,
  rpmSignSchema,
  taggingSchema,
  taskStateChangeSchema,
} from './bodies.ts'
import { anyObject, reasonOf } from './fields.ts'
import type { BusMessage } from './source.ts'
import { classifyTopic, normalisePrefix } from './topics.ts'

/** A Koji message with its checked members: what any era tells about which thing may have changed. */
export type KojiMessage =
  /** `state` is the new one; null when another attribute changed. */
  | {
      readonly topic: 'build.state.change'
      readonly buildId: number | null
      readonly nvr: string
      readonly state: number | null
    }
  | {
      readonly topic: 'tag' | 'untag'
      readonly tagId: number | null
      readonly tag: string
      readonly package: string
      readonly buildId: number | null
    }
  | {
      readonly topic: 'package.list.change'
      readonly tag: string
      readonly package: string
      readonly action: string | null
      readonly block: boolean | null
    }
  | {
      readonly topic: 'rpm.sign'
      readonly buildId: number | null
      readonly nvr: string | null
      readonly nvra: string
      readonly sigkey: string
    }
  | { readonly topic: 'build.promote' }
  | { readonly topic: 'repo.init' | 'repo.done' | 'task.state.change' }

export type Decoded =
  | { readonly kind: 'message'; readonly message: KojiMessage }
  /** Nothing for us to do: `topic` (not one of Koji's), `empty` (a signature message of 2014). */
  | { readonly kind: 'ignored'; readonly topic: TopicLabel; readonly reason: string }
  /** `environment`, `instance`, `base_url`, `field:NAME`, `name:NAME`, `not-an-object`. */
  | { readonly kind: 'refused'; readonly topic: TopicLabel; readonly reason: string }

export interface DecoderOptions {
  /** What stands before the topic's name, with or without the last dot: `org.fedoraproject.prod.buildsys`. */
  readonly topicPrefix: string
  /** The instance that we follow; a message that names none is taken for ours. */
  readonly instance: string
  /** The hub's web address that we follow; null: not compared. A message that names none is taken for ours. */
  readonly baseUrl: string | null
}

/** Turns bodies into typed messages, of whichever source they come. Never throws for what a sender sent. */
export class Decoder {
  readonly #prefix: string
  readonly #instance: string
  readonly #baseUrl: string | null
  constructor(options: DecoderOptions) {
    this.#prefix = normalisePrefix(options.topicPrefix)
    this.#instance = options.instance
    this.#baseUrl = options.baseUrl === null ? null : (normaliseUrl(options.baseUrl) ?? options.baseUrl)
  }

  decode(bus: Pick<BusMessage, 'topic' | 'body'>): Decoded {
    const topic = classifyTopic(bus.topic, this.#prefix)
    if (topic === 'unknown') return { kind: 'ignored', topic, reason: 'topic' }
    if (topic === 'environment') return { kind: 'refused', topic: 'unknown', reason: 'environment' }
    if (!anyObject.safeParse(bus.body).success) return { kind: 'refused', topic, reason: 'not-an-object' }
    const foreign = this.#foreign(bus.body)
    if (foreign !== null) return { kind: 'refused', topic, reason: foreign }
    const body = bus.body as object
    if (topic === 'rpm.sign' && !('rpm' in body) && !('info' in body) && !('sigkey' in body)) {
      return { kind: 'ignored', topic, reason: 'empty' }
    }
    const read = READERS[topic](body)
    return 'reason' in read
      ? { kind: 'refused', topic, reason: read.reason }
      : { kind: 'message', message: read.message }
  }

  #foreign(body: unknown): string | null {
    const origin = originSchema.safeParse(body)
    if (!origin.success) return reasonOf(origin.error)
    const { instance, base_url: baseUrl } = origin.data
    if (instance !== undefined && instance !== null && instance !== this.#instance) return 'instance'
    if (baseUrl === undefined || baseUrl === null) return null
    const theirs = normaliseUrl(baseUrl)
    if (theirs === null) return 'field:base_url'
    return this.#baseUrl === null || theirs === this.#baseUrl ? null : 'base_url'
  }
}

type Read = { readonly message: KojiMessage } | { readonly reason: string }

function reader<S extends z.ZodType>(
  schema: S,
  make: (body: z.infer<S>) => KojiMessage,
): (body: unknown) => Read {
  return (body) => {
    const parsed = schema.safeParse(body)
    return parsed.success ? { message: make(parsed.data) } : { reason: reasonOf(parsed.error) }
  }
}

const READERS: Readonly<Record<Exclude<TopicLabel, 'unknown'>, (body: unknown) => Read>> = {
  'build.state.change': reader(buildStateChangeSchema, (body) => ({
    topic: 'build.state.change',
    buildId: body.build_id ?? null,
    nvr: nvrOf(body),
    state: body.attribute === 'state' ? Number(body.new) : null,
  })),
  tag: readTagging('tag'),
  untag: readTagging('untag'),
  'package.list.change': reader(packageListChangeSchema, (body) => ({
    topic: 'package.list.change',
    tag: body.tag,
    package: body.package,
    action: body.action ?? null,
    block: body.block ?? null,
  })),
  'rpm.sign': readRpmSign,
  'build.promote': reader(promoteSchema, () => ({ topic: 'build.promote' })),
  'repo.init': reader(repoSchema, () => ({ topic: 'repo.init' })),
  'repo.done': reader(repoSchema, () => ({ topic: 'repo.done' })),
  'task.state.change': reader(taskStateChangeSchema, () => ({ topic: 'task.state.change' })),
}

function readTagging(topic: 'tag' | 'untag'): (body: unknown) => Read {
  return reader(taggingSchema, (body) => ({
    topic,
    tagId: body.tag_id ?? null,
    tag: body.tag,
    package: body.name,
    buildId: body.build_id ?? null,
  }))
}

/** Both eras. The build's id stands in up to three places, which must not contradict one another. */
function readRpmSign(body: unknown): Read {
  if (!('info' in (body as object))) {
    const parsed = rpmSignSchema.safeParse(body)
    if (!parsed.success) return { reason: reasonOf(parsed.error) }
    const { rpm, build, sigkey } = parsed.data
    return signed(rpm, [build?.id, build?.build_id, rpm.build_id], buildNvr(build), sigkey)
  }
  const parsed = oldRpmSignSchema.safeParse(body)
  if (!parsed.success) return { reason: reasonOf(parsed.error) }
  return signed(parsed.data.info, [parsed.data.info.build_id], null, parsed.data.info.sigkey)
}

interface Nvr {
  readonly name: string
  readonly version: string
  readonly release: string
}

function signed(
  rpm: Nvr & { readonly arch: string },
  ids: readonly (number | null | undefined)[],
  nvr: string | null,
  sigkey: string,
): Read {
  const [buildId, another] = new Set(ids.filter((id) => id !== null && id !== undefined))
  if (another !== undefined || (buildId === undefined && nvr === null)) return { reason: 'field:build_id' }
  const nvra = `${nvrOf(rpm)}.${rpm.arch}`
  return { message: { topic: 'rpm.sign', buildId: buildId ?? null, nvr, nvra, sigkey } }
}

function nvrOf(parts: Nvr): string {
  return `${parts.name}-${parts.version}-${parts.release}`
}

function buildNvr(build: z.infer<typeof rpmSignSchema>['build']): string | null {
  const { name, version, release } = build ?? {}
  return name && version && release ? nvrOf({ name, version, release }) : null
}

/** Origin and path without the last slash; null for what is no web address. */
function normaliseUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, origin, pathname } = new URL(text)
  return /^https?:$/.test(protocol) ? origin + pathname.replace(/\/+$/, '') : null
}
