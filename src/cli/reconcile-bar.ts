import type { ReconcileNews } from '../model/operations.ts'
import type { Output } from './commands.ts'
import { ProgressBar } from './progress-bar.ts'

type Progress = Exclude<ReconcileNews, { readonly kind: 'difference' | 'end' }>

/** How far a reconcile is, on a terminal: first what is compared, then what is seen through. Ends with `end`, whatever happens. */
export class ReconcileBar {
  readonly #bar: ProgressBar
  #most = 1

  constructor(output: Output) {
    this.#bar = new ProgressBar(output)
  }

  tell(news: Progress): void {
    if (news.kind === 'comparing') {
      const { tags, of, builds } = news
      this.#bar.show(tags / Math.max(of, 1), `comparing: ${tags} of ${of} tags, ${builds} taggings`)
    } else {
      this.#most = Math.max(this.#most, news.left)
      this.#bar.show(1 - news.left / this.#most, `making equal: ${news.left} keys left`)
    }
  }

  end(): void {
    this.#bar.clear()
  }
}
