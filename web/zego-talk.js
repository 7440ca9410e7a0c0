const NOTIFICATION = 1;
const LONGEST_TEXT = 4_000;
const LONGEST_MESSAGE = 8_000;

/** The bot is told at most so often, so much at once, and so many characters, which is less than what it takes for a flood. */
const PERIOD_MS = 100;
const MOST_AT_ONCE = 100;
const MOST_WAITING = 500;
const FRAME = 100; // about so many characters are around a text
const CHARACTERS_PER_S = 12_000;
const CHARACTERS_AT_ONCE = 64_000;

/** What of the `Data` of each `Cmd` is handed on. */
const DATA = new Map([
  [1, ({ SpeakStatus }) => [1, 2].includes(SpeakStatus) && { SpeakStatus }],
  [3, words],
  [4, words],
  [6, ({ Status }) => [0, 1, 2, 3].includes(Status) && { Status }],
]);

/**
 * A piece of news of an agent's conversation. Pieces may overtake each other: `seq_id` rises.
 * @typedef {{cmd: number, seq_id: number, round: number, data: object}} News
 */

/** What an agent of ZEGO's writes into its room of the conversation: handed on as it comes, in bundles where it comes fast. */
export class ZegoTalk {
  #onNews;
  #waiting = [];
  #credit = CHARACTERS_AT_ONCE;
  #toldAt = -Infinity;
  #timer = 0;

  /** @param {(news: News[]) => void} onNews */
  constructor(onNews) {
    this.#onNews = onNews;
  }

  /** A message in the room. Anybody there might have written it. */
  hear({ msgType, msgContent }) {
    const news = msgType === NOTIFICATION ? newsIn(msgContent) : null;
    if (news === null || this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(news);
    this.#timer ||= setTimeout(() => this.#tell(), this.#toldAt + PERIOD_MS - performance.now());
  }

  /** What waits is not told any more. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#waiting = [];
  }

  #tell() {
    const now = performance.now();
    const earned = ((now - this.#toldAt) / 1_000) * CHARACTERS_PER_S;
    this.#credit = Math.min(CHARACTERS_AT_ONCE, this.#credit + earned);
    this.#toldAt = now;
    const bundle = [];
    while (bundle.length < MOST_AT_ONCE && this.#waiting.length > 0 && size(this.#waiting[0]) <= this.#credit) {
      this.#credit -= size(this.#waiting[0]);
      bundle.push(this.#waiting.shift());
    }
    if (bundle.length > 0) this.#onNews(bundle);
    this.#timer = this.#waiting.length > 0 ? setTimeout(() => this.#tell(), PERIOD_MS) : 0;
  }
}

/** @returns {News | null} null for what tells nothing of a conversation */
function newsIn(text) {
  if (typeof text !== "string" || text.length > LONGEST_MESSAGE) return null;
  try {
    const { Cmd, SeqId, Round, Data } = JSON.parse(text);
    const data = DATA.get(Cmd)?.(Data);
    if (!data || !isCount(SeqId) || !isCount(Round)) return null;
    return { cmd: Cmd, seq_id: SeqId, round: Round, data };
  } catch {
    return null;
  }
}

function words({ Text, EndFlag }) {
  return typeof Text === "string" && Text.length <= LONGEST_TEXT && typeof EndFlag === "boolean" && { Text, EndFlag };
}

function isCount(value) {
  return Number.isFinite(value) && value >= 0;
}

function size({ data }) {
  return FRAME + (data.Text?.length ?? 0);
}
