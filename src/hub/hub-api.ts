import type { Value } from '../model/value.ts'
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
 * What this very hub can do, from its `_listapi` (kojixmlrpc.py `list_api`; 1.16 has it already): site plugins and
 * backports included, which a table by version would not know.
 */
export class HubApi {
  readonly #methods: ReadonlyMap<string, Method>

  /** From an answer to `_listapi`. Throws HUB_ANSWER_INVALID. */
  constructor(answer: Value) {
    this.#methods = new Map(answerOf('_listapi', methods, answer).map((method) => [method.name, method]))
  }

  has(method: string): boolean {
    return this.#methods.has(method)
  }

  takes(method: string, keyword: string): boolean {
    const found = this.#methods.get(method)
    return found !== undefined && (found.open || found.parameters.has(keyword))
  }

  /**
   * The version of a hub that cannot say it itself (getKojiVersion came with 1.23): the newest whose calls it has,
   * of those that the calls tell apart.
   */
  guessVersion(): readonly [number, number, number] {
    if (this.has('listCGs') && this.takes('getTagGroups', 'incl_blocked')) return [1, 21, 0]
    return [1, 16, 0]
  }
}

/** `1.35.3` or `1.35.3-dev`. Null for a text that is no version. */
export function parseVersion(version: Value): readonly [number, number, number] | null {
  const match = typeof version === 'string' ? /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) : null
  if (match === null) return null
  return [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}
