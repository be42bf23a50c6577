import { bindArguments, listApi, signature } from './api.ts'
import type { HubSession } from './hub-session.ts'
import { methods } from './methods.ts'
import { Fault, faultCode, isStruct, type Struct, type Value } from './wire-value.ts'

/** What a hub remembers about the calls that it got. */
export interface CallLog {
  /** Called methods; those inside a multiCall count too. */
  record(method: string, params: Value[]): void
  /** A method that a reader must not call: unknown, or one that changes something. */
  refuse(method: string): void
  /** Changes the answer of a call, as knobs say. */
  alter(method: string, answer: Value): Value
  /** Waits as knobs say. */
  beforeCall(method: string): Promise<void>
}

/** Answers one call; multiCall makes a savepoint for each of its calls (kojixmlrpc.py, multiCall). */
export async function dispatch(
  hub: HubSession,
  kojiVersion: string,
  method: string,
  params: Value[],
  log: CallLog,
): Promise<Value> {
  log.record(method, params)
  if (method !== 'multiCall' && method !== 'system.multicall')
    return answer(hub, kojiVersion, method, params, log)
  const results: Value[] = []
  for (const call of (params[0] ?? []) as Struct[]) {
    await hub.rows('SAVEPOINT multicall_loop')
    try {
      const name = call.methodName as string
      if (typeof name !== 'string' || !Array.isArray(call.params))
        throw new Fault(faultCode.other, `'methodName'`)
      results.push([await dispatch(hub, kojiVersion, name, call.params, log)])
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      await hub.rows('ROLLBACK TO SAVEPOINT multicall_loop')
      results.push({
        faultCode: error.code,
        faultString: error.message,
        traceback: ['Traceback (most recent call last):\n', `koji.GenericError: ${error.message}\n`],
      })
    }
  }
  return results
}

async function answer(
  hub: HubSession,
  kojiVersion: string,
  method: string,
  params: Value[],
  log: CallLog,
): Promise<Value> {
  await log.beforeCall(method)
  if (method === '_listapi') return listApi(hub.version)
  if (method === 'getKojiVersion' && signature(method, hub.version)) return kojiVersion
  const known = methods[method]
  if (Object.hasOwn(methods, method) && known && signature(method, hub.version)) {
    const args = bindArguments(hub, method, params)
    if (method === 'getRPMChecksums' && !args.cacheonly) log.refuse(method)
    return log.alter(method, await known(hub, args))
  }
  log.refuse(method)
  if (!signature(method, hub.version)) throw new Fault(faultCode.generic, `Invalid method: ${method}`)
  throw new Fault(
    faultCode.notAllowed,
    `${permissionFor(method)} permission required${hub.since(1.25) ? ' (user not logged in)' : ''}`,
  )
}

/** The permission that an anonymous caller of a writing method is told to lack. */
function permissionFor(method: string): string {
  if (/Tag|Inheritance|group.*List|packageList|ExternalRepo/.test(method)) return 'tag'
  if (/Target/.test(method)) return 'target'
  if (/^repo|newRepo/.test(method)) return 'repo'
  if (/Sig/.test(method)) return 'sign'
  return 'admin'
}

/** True for values that knobs may shorten. */
export function isRowList(value: Value): value is Value[] {
  return Array.isArray(value) && value.every(isStruct)
}
