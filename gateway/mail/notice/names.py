"""What is a person's name: words of address told from names, in Japanese and English.

A wrong name is worse than none, so a doubtful one is none: no name is cut out of a sentence or an address.
What nobody is called is in the two tables of words; what is part of real names is kept out of them.
"""

import re
import unicodedata

MAX_WRITTEN = 200
"""Characters of what may be a name with all its ornaments."""
_MAX_NAME = 60
_MAX_WORDS = 4
"""Words of a name; more is a sentence."""
_LONGEST_UNSPACED = 8
"""Characters of a Japanese name without a space: four of the longest family names, and four."""

HONORIFIC = r"(?:様|さま|さん|殿|氏)"
_TRAILING_HONORIFIC = re.compile(rf"\s*{HONORIFIC}$|(?<=[A-Za-z])[- ](?i:san|sama)$")
_IN_BRACKETS = re.compile(r"\s*[（(〔\[][^）)〕\]]*+[）)〕\]]\s*$")
_TITLE = re.compile(r"(?i)^(?:mr|ms|mrs|mx|miss|dr|prof|professor)(?:\.\s*|\s+)")
_AFFILIATION = re.compile(
    r"(?:大学|大学院|高校|高等学校|専門学校|学院|学科|研究科|専攻|コース|[0-9一二三四]年|エージェント|支店|課"
    r"|商事|商会|銀行|工業|産業|製作所|研究所|事務所|センター|病院|協会|財団|組合|事務局|委員会|窓口|受付"
    r"|ホールディングス|コーポレーション|サービス|システムズ?|テクノロジーズ?|ジャパン|グループ|キャリア|エージェンシー"
    r"|人材|総研|ソリューションズ?|カンパニー|チーム|クラブ|ストア|ショップ|インターナショナル"
    # Not each word on 部 or 室: 阿部, 服部, 長谷部 and 小室, 氷室 are families.
    r"|[学本業事務理発画術造報ムグ売買究進援作略営流際外証査計達社支]部|[究書長画進発報談策査教]室)$"
    r"|(?:株式|有限|合同)会社|[(（]株[)）]"
)
_OF_NAMES = "'’.-‐・=＝ー々〆ヶ\u200c\u200d"
"""Of the characters that are no letters, those that stand in names."""

_JA = r"[一-鿿㐀-䶿豈-﫿々〆ヶァ-ー]"
_SENTENCE = re.compile(
    rf"様|を|ながら|(?<!や)ました|ません|の.*の|{_JA}(?:[はにへでともや]|から|まで|より|ため){_JA}"
    rf"|{_JA}(?:める|する|した|して|れる|った|いた|ない|ている|など){_JA}"
)
"""What stands between the words of a sentence; the kana of a name are longer, or between no two kanji."""
_NO_FAMILY = re.compile(
    # 同様, 仕様, 模様, 異様, 何様 and 左様 end lines; 多様 does after a particle, and 本多 is a family.
    r"[同仕模異何左]$|(?:^|[のがもは])[多有皆各]$|(?:^|[がも])たく$"
    # お疲れ様, お客様, ご担当者様; a family name begins with these letters only when kana follow.
    rf"|^[おご]{_JA}|^(?:おかげ|おつかれ|おたがい|ごちそう|ごくろう|おせわ|あり)$"
    # 貴殿, also behind the words before it; 大貴 and 裕貴 are given names.
    r"|(?:^|[ぁ-ん])貴$|^[奥某御方名姓]$"
)
"""What a whole name cannot be."""
_NO_WORD = re.compile(
    r"(?:[部課社係室店会校学]長|主任|取締役|教授|者|アドバイザー|コンサルタント|マネージャー|リーダー|ディレクター|コーディネーター|.さん|.さま)$"
    r"|応募者|候補者|各位|担当|人事|採用|関係者|お客|学生|受験|志願|御中|エントリー|求職者"
)
"""What no word of a name can be."""


def table(words: str) -> frozenset[str]:
    """Return the words of a table, which stand between white space."""
    return frozenset(words.split())


_NOBODY_JA = table(
    """
    皆々 みな みんな 貴方 貴女 貴君 貴社 貴校 貴学 弊社 当社 御社 同社 小社 あなた あなた方 先生
    本人 保護者 家族 両親 氏名 名前 姓名 苗字 名字 姓 名 宛名 宛先 差出人 送信者 受信者 取引先 得意先 会員
    ゲスト ユーザー ユーザ テスト サンプル ダミー 見本 匿名 名無し 不明 未定 未設定 未入力 対象者 該当者
    参加者 出席者 来場者 受講者 登録者 申込者 希望者 内定者 転職者 社員 従業員 スタッフ メンバー オーナー
    管理者 株主 生徒 卒業生 システム
    """
)
_NEVER_EN = table(
    """
    candidate candidates applicant applicants recipient recipients hiring recruiter recruiters
    recruiting recruitment recruit noreply no-reply donotreply do-not-reply mailer-daemon postmaster
    webmaster undisclosed unknown anonymous null none undefined nan nil firstname lastname fullname
    username surname customer customers everyone everybody from and team department committee company
    corporation corp inc ltd llc gmbh colleagues participants jobseeker jobseekers agency group holdings
    limited systems technologies solutions consulting services careers university institute folks guys
    friends students users members subscribers attendees parties seekers visitors readers graduates
    interns employees developers engineers designers professionals parents partners community
    contributors maintainers volunteers list i i'm i’m i've i’ve this it it's we
    """
)
"""Words that stand in no name, whatever stands beside them."""
_NOT_ALONE_EN = table(
    """
    sir sirs madam madams maam ladies gentlemen gentleman lady all there again friend student guest
    guests user member subscriber participant attendee party interested valued job jobs seeker future
    former world hr info information mail email e-mail delivery daemon admin administrator support help
    helpdesk contact office sales service test tester testing sample example demo dummy placeholder name
    first last full line gmail outlook yahoo career notification notifications system bot professor prof
    doctor dr mr ms mrs mx miss colleague whom concern greetings hello hi dear thanks or the your our
    you my person people human somebody someone anyone nobody parent partner visitor reader graduate
    intern employee staff alumni developer engineer designer professional talent manager head director
    reply thank welcome please congratulations good morning afternoon evening sorry unfortunately
    """
)
"""Words that may stand in a name beside others, but make none among themselves."""

_PLACEHOLDER = re.compile(
    r"[{}<>%$@]|^\[.*\]$|__|[○〇●×✕＊]{2}|(?i:^(?:x{2,}|n/a|none|null|nan|undefined|tbd)$)"
)
_LOGIN = re.compile(r"^[a-z0-9]+[.][a-z0-9.]+$")
"""An account: `taro.yamada`."""
_SHORTENED = 3
"""Letters from which the start of a name may stand for it: Alex for Alexander."""
_VARIANTS = str.maketrans("髙﨑邊邉齋齊斎濵濱澤德眞廣國", "高崎辺辺斉斉斉浜浜沢徳真広国")


def person(written: str | None) -> str | None:
    """Return the name in what was written, without honorific, title, kana in brackets and affiliation."""
    if written is None or len(written) > MAX_WRITTEN:
        return None
    words = [word for word in _undressed(written).split() if _AFFILIATION.search(word) is None]
    name = " ".join(words)
    if not name or len(words) > _MAX_WORDS or len(name) > _MAX_NAME or _nobody(words):
        return None
    if any(unicodedata.category(char)[0] in "NPSC" and char not in _OF_NAMES for char in "".join(words)):
        return None
    if _LOGIN.search(name) is not None:
        return None
    return None if _initials(words) or any(_too_long(word) for word in words) else name


def explicit(written: str) -> str | None:
    """Return the name that a marker gives, without honorific; None when it is nobody's."""
    name = _undressed(written)
    return None if not name or is_placeholder(name) or "[" in name or _nobody(name.split()) else name


def is_placeholder(written: str) -> bool:
    """Whether a template's field was left unfilled."""
    return _PLACEHOLDER.search(written) is not None


def agree(one: str, other: str) -> bool | None:
    """Whether two names may be one person's: the same, or the family or given name of the other.

    None for names in two scripts, or a short form of a Latin name; nobody could tell without guessing.
    """
    script = _script(one)
    if script != _script(other):
        return None
    short, long = sorted(
        (_parts(one, script), _parts(other, script)), key=lambda parts: (len(parts), len("".join(parts)))
    )
    if not short or "".join(short) == "".join(long):
        return True if short else None
    if len(long) > 1:
        if _within(short, long):
            return True
    elif script != "LATIN":
        start, whole = short[0], long[0]
        # 林 is no given name of 小林, but 太郎 is one of 山田太郎.
        return whole.startswith(start) or (len(start) > 1 and whole.endswith(start))
    shortened = script == "LATIN" and len(short) == 1 and len(short[0]) >= _SHORTENED
    return None if shortened and any(word.startswith(short[0]) for word in long) else False


def _within(short: list[str], long: list[str]) -> bool:
    """Whether each part of one name stands in the other, perhaps as an initial on either side."""
    left = list(long)
    for part in short:
        match = next(
            (word for word in left if word == part or (1 in (len(word), len(part)) and word[0] == part[0])),
            None,
        )
        if match is None:
            return False
        left.remove(match)
    return any(len(part) > 1 for part in short)


def _parts(name: str, script: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_VARIANTS)
    if script == "LATIN":
        plain = "".join(
            char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char)
        )
    return [part for part in re.split(r"[\s・.=＝]+", re.sub(r"['’‐-]", "", plain)) if part]


def folded(text: str) -> str:
    """Return what is compared: without spaces, width, case and variants of kanji."""
    return re.sub(r"[\s・.]+", "", unicodedata.normalize("NFKC", text)).casefold().translate(_VARIANTS)


def _undressed(written: str) -> str:
    name = written.strip().strip("\"'")
    for pattern in (_TRAILING_HONORIFIC, _IN_BRACKETS, _TRAILING_HONORIFIC, _TITLE):
        name = pattern.sub("", name)
    return name.strip()


def _nobody(words: list[str]) -> bool:
    plain = [unicodedata.normalize("NFKC", word).casefold().strip(".'’") for word in words]
    if any(word in _NEVER_EN or word in _NOBODY_JA for word in plain):
        return True
    if all(not word or word in _NOT_ALONE_EN for word in plain):
        return True
    if any(_NO_WORD.search(word) or _SENTENCE.search(word) for word in plain):
        return True
    return _NO_FAMILY.search("".join(plain)) is not None


def _initials(words: list[str]) -> bool:
    return all(len(word.strip(".")) <= 1 and word.isascii() for word in words)


def _too_long(word: str) -> bool:
    """Whether a word with kanji is longer than any name; kana and Latin letters may go on."""
    return len(word) > _LONGEST_UNSPACED and re.search(r"[一-鿿]", word) is not None


def _script(text: str) -> str:
    first = next((char for char in unicodedata.normalize("NFKC", text) if char.isalpha()), " ")
    return unicodedata.name(first, "").partition(" ")[0]
