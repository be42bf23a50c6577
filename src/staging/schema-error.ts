import { type ErrorOptions, OutageError } from '../errors.ts'

/**
 * Staging's database has not the schema that we need: SCHEMA_NOT_KOJI, SCHEMA_MISSING, SCHEMA_NEWER. Handled as a
 * database that is down (exit 12): nothing is written, and no key is blamed for it.
 */
export class SchemaError extends OutageError {
  override name = 'SchemaError'
  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super('database', code, message, options)
  }
}
