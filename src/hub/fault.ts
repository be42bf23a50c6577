import { KeyError, OutageError } from '../errors.ts'

/** Names of the codes that a Koji hub's faults have: the exceptions of koji/__init__.py (`GenericError` and below). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'Exception'],
  [1000, 'GenericError'],
  [1001, 'LockError'],
  [1002, 'AuthError'],
  [1003, 'TagError'],
  [1004, 'ActionNotAllowed'],
  [1005, 'BuildError'],
  [1006, 'AuthLockError'],
  [1007, 'AuthExpired'],
  [1008, 'SequenceError'],
  [1009, 'RetryError'],
  [1010, 'PreBuildError'],
  [1011, 'PostBuildError'],
  [1012, 'BuildrootError'],
  [1013, 'FunctionDeprecated'],
  [1014, 'ServerOffline'],
  [1015, 'LiveCDError'],
  [1016, 'PluginError'],
  [1017, 'CallbackError'],
  [1018, 'ApplianceError'],
  [1019, 'ParameterError'],
  [1020, 'ImportError'],
  [1021, 'ConfigurationError'],
  [1022, 'LiveMediaError'],
  [1023, 'GSSAPIAuthError'],
  [1024, 'NameValidationError'],
])

/** A fault that the hub gave for one call: HUB_FAULT. Missing things are nil, so it is never "not found" of the call's subject unless the call says so. */
export class HubFault extends KeyError {
  override name = 'HubFault'
  readonly faultCode: number
  /** Koji's name of the code: `GenericError`, `ParameterError`; `Fault` for one that we do not know. */
  readonly faultName: string
  readonly faultString: string

  constructor(method: string, faultCode: number, faultString: string) {
    const faultName = NAMES.get(faultCode) ?? 'Fault'
    const shown = faultString.slice(0, 500)
    super('HUB_FAULT', `the hub answered ${method} with ${faultName} (${faultCode}): ${shown}`, {
      detail: { method, faultCode, faultName },
    })
    this.faultCode = faultCode
    this.faultName = faultName
    this.faultString = shown
  }
}

/** psycopg2's exceptions when the hub loses its database; others (QueryCanceled) are the call's own. */
const DATABASE_LOST =
  /psycopg2\.(?:OperationalError|InterfaceError|errors\.(?:AdminShutdown|CrashShutdown|CannotConnectNow))\b/

/**
 * The error of a fault. That the hub is closed (ServerOffline, which it also says when it does not reach its
 * database), wants to be asked again (RetryError) or lost its database in the middle is an outage and no key's
 * fault. `traceback` is what a multiCall adds.
 */
export function errorOfFault(
  method: string,
  fault: { readonly faultCode: number; readonly faultString: string; readonly traceback?: string },
): HubFault | OutageError {
  const { faultCode, faultString } = fault
  const detail = { method, faultCode }
  const shown = faultString.slice(0, 200)
  if (faultCode === 1014) {
    if (faultString.includes('database outage'))
      return new OutageError('hub', 'HUB_DATABASE', "prod's hub does not reach its database", { detail })
    return new OutageError('hub', 'HUB_OFFLINE', `prod's hub is offline: ${shown}`, { detail })
  }
  if (faultCode === 1009)
    return new OutageError('hub', 'HUB_RETRY', `prod's hub wants to be asked again: ${shown}`, { detail })
  if (faultCode === 1 && DATABASE_LOST.test(`${faultString}\n${fault.traceback ?? ''}`))
    return new OutageError('hub', 'HUB_DATABASE', "prod's hub lost its database", { detail })
  return new HubFault(method, faultCode, faultString)
}
