import type { Cell } from './cell.ts'

/** Things that prod and staging share by name (docs/schema.sql: their names are unique). */
export type NameKind =
  | 'user'
  | 'package'
  | 'group'
  | 'permission'
  | 'volume'
  | 'btype'
  | 'archivetype'
  | 'content_generator'

/** Something of prod that staging must have by name. */
export interface NamedItem {
  /** null: not known; then only the name counts */
  readonly prodId: number | null
  readonly name: string
  /** user: status, usertype; archivetype: description, extensions, compression_type; permission: description */
  readonly columns?: Readonly<Record<string, Cell>>
}

interface NameTable {
  readonly table: string
  /** Columns that a new row may be given; no other ever is (no passwords, no principals). */
  readonly columns: readonly string[]
  /** false: the configuration maps names, several of prod's may be one of staging's; only the name counts */
  readonly byId: boolean
}

export const NAME_TABLES: Readonly<Record<NameKind, NameTable>> = {
  user: { table: 'users', columns: ['status', 'usertype'], byId: true },
  package: { table: 'package', columns: [], byId: true },
  group: { table: 'groups', columns: [], byId: true },
  permission: { table: 'permissions', columns: ['description'], byId: true },
  volume: { table: 'volume', columns: [], byId: false },
  btype: { table: 'btype', columns: [], byId: true },
  archivetype: {
    table: 'archivetypes',
    columns: ['description', 'extensions', 'compression_type'],
    byId: true,
  },
  content_generator: { table: 'content_generator', columns: [], byId: true },
}
