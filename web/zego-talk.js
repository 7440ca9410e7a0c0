const NOTIFICATION = 1;
const LONGEST_TEXT = 4_000;
const LONGEST_MESSAGE = 8_000;

/** A piece of news costs one, and a long one more. So the bot is told less than what it takes for a flood. */
const CHARACTERS = 800;
const FRAME = 150; // about so much is said around a text
const A_SECOND = 15;
const AT_ONCE = 100;
const MOST_WAITING = 200;
const LOOK_MS = 100;

/** What of the `Data` of each `Cmd` is handed on. */
const DATA = new Map([
  [1, ({ SpeakStatus }) => [1, 2].includes(SpeakStatus) && { SpeakStatus }],
  [3, words],
  [4, words],
  [6, ({ Status }) => [0, 1, 2, 3].includes(Status) && { Status }],
]);

/**
 * A piece of news of an agent's conversation. Pieces may overtake each other: `seq_id` rises.
 * @typedef {{cmd: number, seq_id: number, round: number, timestamp_ms: number, data: object}} News
 */

/** What an agent of ZEGO's writes into its room of the conversation: handed on as it comes, and not faster than the bot takes it. */
export class ZegoTalk {
  #onNews;
  #waiting = [];
  #credit = AT_ONCE;
  #creditedAt = performance.now();
  #timer = 0;

  /** @param {(news: News) => void} onNews */
  constructor(onNews) {
    this.#onNews = onNews;
  }

  /** A message in the room. Anybody there might have written it. */
  hear({ msgType, msgContent }) {
    const news = msgType === NOTIFICATION ? newsIn(msgContent) : null;
    if (news === null || this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(news);
    this.#flow();
  }

  /** What waits is not told any more. */
  clear() {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #flow() {
    const now = performance.now();
    this.#credit = Math.min(AT_ONCE, this.#credit + ((now - this.#creditedAt) / 1_000) * A_SECOND);
    this.#creditedAt = now;
    while (this.#waiting.length > 0 && cost(this.#waiting[0]) <= this.#credit) {
      const news = this.#waiting.shift();
      this.#credit -= cost(news);
      this.#onNews(news);
    }
    clearTimeout(this.#timer);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#flow(), LOOK_MS);
  }
}

/** @returns {News | null} null for what tells nothing of a conversation */
function newsIn(text) {
  if (typeof text !== "string" || text.length > LONGEST_MESSAGE) return null;
  try {
    const { Cmd, SeqId, Round, TimestampMs, Data } = JSON.parse(text);
    const data = DATA.get(Cmd)?.(Data);
    if (!data || ![SeqId, Round, TimestampMs].every(isCount)) return null;
    return { cmd: Cmd, seq_id: SeqId, round: Round, timestamp_ms: TimestampMs, data };
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

function cost({ data }) {
  return Math.max(1, ((data.Text?.length ?? 0) + FRAME) / CHARACTERS);
}
