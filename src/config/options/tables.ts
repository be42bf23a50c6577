import { option } from '../option.ts'
import {
  EXTERNAL_REPO_REWRITE_FIELDS,
  externalRepoRewrites,
  PLACEMENT_FIELDS,
  PRINCIPAL_REWRITE_FIELDS,
  placements,
  principalRewrites,
  SEED_HOST_FIELDS,
  SEED_USER_FIELDS,
  seedHosts,
  seedUsers,
  TAG_REWRITE_FIELDS,
  tagRewrites,
} from '../rule-types.ts'

/** The settings that are lists of tables (`[[placement]]`); first match wins. */
export const TABLES = {
  placement: {
    ...option([{ mode: 'volume' as const }], {
      type: placements,
      help: "Where a build's files stand, by rule; the first rule that matches counts, the last one must match everything.",
    }),
    fields: PLACEMENT_FIELDS,
  },
  external_repo_rewrite: {
    ...option([], {
      type: externalRepoRewrites,
      help: "Rules for the URLs of prod's external repos; the first rule that matches counts.",
      example: [
        { match: '^https://kojipkgs\\.example\\.org/', replace: 'https://kojipkgs.stg.example.org/' },
      ],
    }),
    fields: EXTERNAL_REPO_REWRITE_FIELDS,
  },
  tag_rewrite: {
    ...option([], {
      type: tagRewrites,
      help: 'What must differ in staging: arches without builders there, extra settings. All rules that match are applied in order.',
      example: [{ tags: ['f*-build'], arches: ['x86_64', 'aarch64'], extra: { 'repo.auto': false } }],
    }),
    fields: TAG_REWRITE_FIELDS,
  },
  principal_rewrite: {
    ...option([], {
      type: principalRewrites,
      help: "Rules for the Kerberos principals of prod's dump, for `seed`; the first rule that matches counts. One that no rule matches is removed: nobody logs in as prod's.",
      example: [{ match: '@EXAMPLE\\.ORG$', replace: '@STG.EXAMPLE.ORG' }],
    }),
    fields: PRINCIPAL_REWRITE_FIELDS,
  },
  seed_user: {
    ...option([], {
      type: seedUsers,
      help: "Users of staging's own, for `seed`: who administers it, and what composes and imports there.",
      example: [{ name: 'alice', permissions: ['admin'], principals: ['alice@STG.EXAMPLE.ORG'] }],
    }),
    fields: SEED_USER_FIELDS,
  },
  seed_host: {
    ...option([], {
      type: seedHosts,
      help: "Builders of staging's, for `seed`. All of prod's are disabled.",
      example: [
        { name: 'builder1.stg.example.org', arches: ['x86_64', 'i386'], channels: ['default', 'createrepo'] },
      ],
    }),
    fields: SEED_HOST_FIELDS,
  },
} as const
