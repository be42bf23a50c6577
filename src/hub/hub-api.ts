import type { Value } from '../model/value.ts'
import { ALLOWED } from './allowed.ts'
import { answerOf, list, type Member, member, type Reader, record, text } from './shape.ts'

interface Method {
  readonly name: string
  readonly parameters: ReadonlySet<string>
  /** It takes any keyword (`**kwargs`), as queryHistory does. */
  readonly open: boolean
}

/** A parameter of `args`: its name, or name and default. */
const parameter: Reader<string> = (value) => text(Array.isArray(value) ? value[0] : value)

/** The third part of `argspec` (args, varargs, varkw, ...) names `**kwargs`. */
const openness: Member<boolean> = (struct) => {
  const spec = struct.argspec
  return Array.isArray(spec) && typeof spec[2] === 'string'
}

const methods: Reader<readonly Method[]> = list(
  record<Method>({
    name: member('name', text),
    parameters: (struct) => new Set(member('args', list(parameter))(struct)),
    open: openness,
  }),
)

/**
 * What came after 1.21, of what we send, and with which version. For hubs whose `_listapi` is broken: 1.21's uses
 * a function that Python 3.11 removed (kojixmlrpc.py `list_api`, `inspect.formatargspec`).
 */
const SINCE: readonly { readonly method: string; readonly keyword?: string; readonly version: Version }[] = [
  { method: 'getKojiVersion', version: [1, 23, 0] },
  { method: 'getTag', keyword: 'blocked', version: [1, 23, 0] },
  { method: 'listTaggedRPMS', keyword: 'extra', version: [1, 29, 0] },
  { method: 'listBuilds', keyword: 'draft', version: [1, 34, 0] },
  { method: 'listBuilds', keyword: 'promotedAfter', version: [1, 36, 0] },
]

export type Version = readonly [number, number, number]

/** What a hub can do. */
export class HubApi {
  readonly #methods: ReadonlyMap<string, Method>

  private constructor(methods: readonly Method[]) {
    this.#methods = new Map(methods.map((method) => [method.name, method]))
  }

  /**
   * From this very hub's answer to `_listapi` (kojixmlrpc.py `list_api`; 1.16 has it already): site plugins and
   * backports included, which a table by version would not know. Throws HUB_ANSWER_INVALID.
   */
  static ofListing(answer: Value): HubApi {
    return new HubApi(answerOf('_listapi', methods, answer))
  }

  /**
   * From the version alone. Without getRPMChecksums: that it can be kept from writing is proved by the listing only.
   */
  static ofVersion(version: Version): HubApi {
    const lacks = (method: string, keyword?: string) =>
      SINCE.some(
        (item) =>
          item.method === method && item.keyword === keyword && compareVersions(version, item.version) < 0,
      )
    const known = [...ALLOWED].filter(([name]) => name !== 'getRPMChecksums' && !lacks(name))
    return new HubApi(
      known.map(([name, { keywords }]) => ({
        name,
        parameters: new Set(keywords.filter((keyword) => !lacks(name, keyword))),
        open: false,
      })),
    )
  }

  has(method: string): boolean {
    return this.#methods.has(method)
  }

  takes(method: string, keyword: string): boolean {
    const found = this.#methods.get(method)
    return found !== undefined && (found.open || found.parameters.has(keyword))
  }
}

/** What a hub that lacks getKojiVersion (it came with 1.23) counts as: the oldest that we serve. */
export const OLDEST_VERSION: Version = [1, 21, 0]

function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

/** `1.35.3` or `1.35.3-dev`. Null for a text that is no version. */
export function parseVersion(version: Value): Version | null {
  const match = typeof version === 'string' ? /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) : null
  if (match === null) return null
  return [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}
