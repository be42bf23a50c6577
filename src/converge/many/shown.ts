import { unmetOf as unmetEntries } from '../package.ts'
import { unmetOf as unmetTaggings } from '../tagged.ts'
import type { ProdLists } from './prod-lists.ts'
import type { ListClaim } from './tag-lists.ts'

/** Prod shows all that messages told of the key. */
export function isShown({ key, expect }: ListClaim, prod: ProdLists): boolean {
  const lists = prod.get(key.packageId)
  const unmet =
    key.kind === 'tagged'
      ? unmetTaggings(expect, lists?.taggings ?? [])
      : unmetEntries(expect, lists?.entries[0])
  return unmet.length === 0
}
