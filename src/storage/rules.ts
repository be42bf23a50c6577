import { compilePatterns, type NameMatcher } from '../model/pattern.ts'
import type { PlacementMode } from './placement.ts'

/** One `[[placement]]` of the configuration: lists of shell patterns; null matches everything, an empty list nothing. */
export interface RuleText {
  readonly tags: readonly string[] | null
  readonly packages: readonly string[] | null
  readonly btypes: readonly string[] | null
  readonly mode: PlacementMode
}

/** What a rule is asked about. */
export interface Placed {
  /** Names of the tags in scope that hold the build. None: it is there as a component of another one. */
  readonly tags: readonly string[]
  readonly package: string
  readonly btypes: readonly string[]
}

/** The first rule whose lists all match; null when none does. A list matches when any pattern matches any of the names. */
export type PlacementChoice = (placed: Placed) => PlacementMode | null

/** Compiles the rules once. */
export function placementChoice(rules: readonly RuleText[]): PlacementChoice {
  const compiled = rules.map((rule) => ({
    tags: globs(rule.tags),
    packages: globs(rule.packages),
    btypes: globs(rule.btypes),
    mode: rule.mode,
  }))
  return (placed) =>
    compiled.find(
      (rule) =>
        fits(rule.tags, placed.tags) &&
        fits(rule.packages, [placed.package]) &&
        fits(rule.btypes, placed.btypes),
    )?.mode ?? null
}

/** null: matches everything */
function globs(patterns: readonly string[] | null): NameMatcher | null {
  return patterns === null ? null : compilePatterns(patterns)
}

function fits(matches: NameMatcher | null, names: readonly string[]): boolean {
  return matches === null || names.some(matches)
}
