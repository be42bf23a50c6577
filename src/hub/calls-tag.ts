import type {
  GroupPackage,
  GroupRequirement,
  Inheritance,
  ListedTag,
  PackageTag,
  Tag,
  TagExternalRepo,
  TagExtra,
  TagGroup,
  TagPackage,
} from '../model/tag-records.ts'
import { callOf, type QueryOpts, queryOptsOf } from './call.ts'
import type { Call } from './hub.ts'
import {
  bool,
  int,
  json,
  list,
  type Member,
  map,
  member,
  nullable,
  type Reader,
  record,
  text,
} from './shape.ts'

const LISTED: { readonly [K in keyof ListedTag]: Member<ListedTag[K]> } = {
  id: member('id', int),
  name: member('name', text),
  arches: member('arches', nullable(text)),
  locked: member('locked', bool),
  permId: member('perm_id', nullable(int)),
  permName: member('perm', nullable(text)),
  mavenSupport: member('maven_support', bool),
  mavenIncludeAll: member('maven_include_all', bool),
}

const listedTag = record<ListedTag>(LISTED)
const packageTag = record<PackageTag>({
  ...LISTED,
  ownerId: member('owner_id', int),
  ownerName: member('owner_name', text),
  blocked: member('blocked', bool),
  extraArches: member('extra_arches', nullable(text)),
})

/** `{key: [blocked, value]}` of a hub that was asked for `blocked` (1.23+), `{key: value}` of an older one. */
function extraOf(withBlocked: boolean): Reader<readonly TagExtra[]> {
  const entries = map(json)
  return (value) =>
    [...entries(value)]
      .map(([key, entry]) => {
        if (!withBlocked) return { key, blocked: false, value: entry }
        const [blocked, inner] = list(json)(entry)
        return { key, blocked: bool(blocked), value: json(inner) }
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1))
}

const tagWithBlocked = record<Tag>({ ...LISTED, extra: member('extra', extraOf(true)) })
const tagWithout = record<Tag>({ ...LISTED, extra: member('extra', extraOf(false)) })

/** By id or name; null if there is none (or no longer). */
export function getTag(idOrName: number | string): Call<Tag | null> {
  const older = callOf('getTag', [idOrName], {}, nullable(tagWithout))
  return callOf('getTag', [idOrName], { blocked: true }, nullable(tagWithBlocked), {
    lacking: { blocked: older },
  })
}

/** All tags that exist. Orders: `id`, `name`. */
export function listTags(queryOpts?: QueryOpts): Call<readonly ListedTag[]> {
  return callOf('listTags', [], { queryOpts: queryOptsOf(queryOpts) }, list(listedTag))
}

/** The tags that a build is in. A build that does not exist is a fault. */
export function listTagsOfBuild(build: number | string): Call<readonly ListedTag[]> {
  return callOf('listTags', [], { build }, list(listedTag))
}

/** The tags that list a package. A package that does not exist is a fault. */
export function listTagsOfPackage(idOrName: number | string): Call<readonly PackageTag[]> {
  return callOf('listTags', [], { package: idOrName }, list(packageTag))
}

const inheritance = record<Inheritance>({
  parentId: member('parent_id', int),
  parentName: member('name', text),
  priority: member('priority', int),
  maxdepth: member('maxdepth', nullable(int)),
  intransitive: member('intransitive', bool),
  noconfig: member('noconfig', bool),
  pkgFilter: member('pkg_filter', nullable(text)),
})

/** The tag's own links, by priority. */
export function getInheritanceData(tag: number | string): Call<readonly Inheritance[]> {
  return callOf('getInheritanceData', [tag], {}, list(inheritance))
}

const tagExternalRepo = record<TagExternalRepo>({
  tagId: member('tag_id', int),
  tagName: member('tag_name', text),
  externalRepoId: member('external_repo_id', int),
  externalRepoName: member('external_repo_name', text),
  url: member('url', text),
  priority: member('priority', int),
  mergeMode: member('merge_mode', text, 'koji'),
  arches: member('arches', nullable(text), null),
})

/**
 * The tag's own external repos, by priority. The hub takes a tag id 0 or '' for "of all tags" (kojihub.py
 * `get_tag_external_repos`); nobody should mean that.
 */
export function getTagExternalRepos(tag: number | string): Call<readonly TagExternalRepo[]> {
  return callOf('getTagExternalRepos', [], { tag_info: tag }, list(tagExternalRepo))
}

const groupPackage = record<GroupPackage>({
  groupId: member('group_id', int),
  tagId: member('tag_id', int),
  package: member('package', text),
  blocked: member('blocked', bool),
  type: member('type', text),
  basearchonly: member('basearchonly', nullable(bool)),
  requires: member('requires', nullable(text)),
})

const groupRequirement = record<GroupRequirement>({
  groupId: member('group_id', int),
  tagId: member('tag_id', int),
  requiredId: member('req_id', int),
  requiredName: member('name', text),
  blocked: member('blocked', bool),
  type: member('type', nullable(text)),
  isMetapkg: member('is_metapkg', bool),
})

const tagGroup = record<TagGroup>({
  groupId: member('group_id', int),
  name: member('name', text),
  tagId: member('tag_id', int),
  blocked: member('blocked', bool),
  exported: member('exported', nullable(bool)),
  displayName: member('display_name', text),
  isDefault: member('is_default', nullable(bool)),
  uservisible: member('uservisible', nullable(bool)),
  description: member('description', nullable(text)),
  langonly: member('langonly', nullable(text)),
  biarchonly: member('biarchonly', nullable(bool)),
  packages: member('packagelist', list(groupPackage)),
  requirements: member('grouplist', list(groupRequirement)),
})

/** The tag's own groups, blocked ones and blocked entries too. See `TagGroup` for what a blocked group lacks. */
export function getTagGroups(tag: number | string): Call<readonly TagGroup[]> {
  return callOf('getTagGroups', [tag], { inherit: false, incl_blocked: true }, list(tagGroup))
}

const tagPackage = record<TagPackage>({
  tagId: member('tag_id', int),
  tagName: member('tag_name', text),
  packageId: member('package_id', int),
  packageName: member('package_name', text),
  ownerId: member('owner_id', int),
  ownerName: member('owner_name', text),
  blocked: member('blocked', bool),
  extraArches: member('extra_arches', nullable(text)),
})

/** The tag's own package list (of one package), blocked entries too; entries without an owner are not shown. */
export function listPackages(filter: {
  readonly tag: number | string
  readonly package?: number | string
}): Call<readonly TagPackage[]> {
  const kwargs = { tagID: filter.tag, pkgID: filter.package, inherited: false }
  return callOf('listPackages', [], kwargs, list(tagPackage))
}
