"""What mailers write above a mail that is answered or forwarded, in the languages of their users.

Patterns in verbose form, for lines without their end and without white space around it.
"""

import re


def _any(*words: str) -> str:
    return "(?:" + "|".join(words).replace(" ", r"\s{1,9}") + ")"


FROM = _any(
    "from|差出人|送信者|発信者|von|de|da|di|van|fra|från|od|от(?: кого)?",
    "发件人|寄件者|寄件人|發件人|보낸 ?사람",
    "kimden|feladó|de la|din partea|từ|dari|daripada|από|מאת|من",
    "จาก|від|šalje|pošiljatelj|lähettäjä|saatja|nuo",
)
"""The field that begins the block in which Outlook and others repeat the header of a mail."""
_SENT = _any(
    "sent|date|送信日時|送信日|受信日時|日付|日時|gesendet|datum|envoyé|enviado(?: el)?|fecha|data|inviato",
    "verzonden|skickat|sendt|dato|wysłano|отправлено|дата",
    "发送时间|发送日期|日期|寄件日期|傳送時間|時間|보낸 ?날짜|보낸 ?시간|날짜",
    "gönderildi|tarih|odesláno|odoslané|dátum|elküldve|küldve|trimis|enviada em|enviat|đã gửi|ngày",
    "terkirim|dikirim|dihantar|tanggal|στάλθηκε|αποστολή|ημερομηνία|נשלח|תאריך|تم الإرسال|التاريخ",
    "ส่ง|ส่งเมื่อ|วันที่|надіслано|изпратено|poslano|lähetetty|päivämäärä|saadetud|išsiųsta",
)
_TO = _any(
    "to|宛先|送信先|an|à|para|a|aan|till|til|do|кому|收件人|收件者|받는 ?사람",
    "kime|komu|címzett|către|per a|đến|tới|kepada|προς|אל|إلى|ถึง|до|prima|za|vastaanottaja|adressaat|kam",
)
_SUBJECT = _any(
    "subject|件名|題名|タイトル|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|тема",
    "主题|主題|主旨|제목",
    "konu|předmět|predmet|tárgy|subiect|assumpte|chủ đề|perihal|subjek",
    "θέμα|נושא|الموضوع|เรื่อง|относно|aihe|teema",
)


def _field(names: str, value: str) -> re.Pattern[str]:
    return re.compile(rf"(?ix) [\s*_]{{0,9}} {names} [*_\s]{{0,9}} [:：] {value}")


IS_FIELD = re.compile(r"[\s*_]{0,9}\w[^:：<>@\[\]]{0,24}[:：]")
IS_FROM = _field(FROM, "")
IS_SENT = _field(_SENT, "")
IS_SENT_WITH_TIME = _field(_SENT, r".{0,99}? \d{1,2} \s? [:：.時时시h] \s? \d{2} (?!\d)")
IS_DATE = re.compile(
    r"(?i).{0,200}\d{1,4}[/.年-]\d{1,2}[/.月-]\d{1,4}.{0,20}\d{1,2}:\d{2}(?::\d{2})?\s?(?:[AP]M)?(?:\s\S{1,5})?"
)
"""A date with its time, with which a line ends."""
IS_TO = _field(_TO, "")
IS_SUBJECT = _field(_SUBJECT, "")

IS_RULE = re.compile(r"[-_=*~─━‐－—＝＊]{5,}")
"""A line that divides; what it divides is said below it."""

_ORIGINAL = _any(
    "original message|original appointment|original|元のメッセージ|元のメール|オリジナル ?メッセージ",
    "ursprüngliche nachricht|original-?nachricht|message d['’]origine|message original|mensaje original",
    "messaggio originale|mensagem original|oorspronkelijk bericht|ursprungligt meddelande",
    "oprindelig (?:besked|meddelelse)|opprinnelig melding|alkuperäinen viesti|oryginalna wiadomość",
    "wiadomość oryginalna|исходное сообщение|原始邮件|邮件原件|原始郵件|원본 ?(?:메시지|메일)",
    "(?:以下、?|ここから)?(?:引用|元の?(?:メッセージ|メール)|原文)",
)
_FORWARDED = _any(
    "(?:(?:start of |begin )?forwarded (?:message|mail)|forwarded (?:by|from))",
    "(?:以下、?|ここから)?転送(?:された)?(?:メッセージ|メール)?",
    "weitergeleitete nachricht|message transféré|mensaje reenviado|messaggio inoltrato",
    "mensagem encaminhada|doorgestuurd bericht|vidarebefordrat meddelande",
    "videresendt (?:besked|meddelelse|melding)|пересылаемое сообщение",
    "转发(?:的)?邮件(?:信息)?|转发的信息|轉寄(?:的)?郵件|전달(?:된)? ?(?:메시지|메일)",
)
_LINE = r"[-_=*~─━‐－—＝＊\s]{2,99}"
IS_DIVIDER = re.compile(
    rf"(?ix) {_LINE} (?: {_ORIGINAL} | {_FORWARDED} (?: .{{0,99}} )? ) (?: {_LINE} | \s*[:：] )"
    r"| -{4,9} \s forwarded \s message"
)
"""Between two rules: what stands below is another mail, whatever its lines begin with."""
IS_BEGIN = re.compile(
    r"""(?ix) (?: begin \s forwarded \s message | (?:以下、?|ここから)? 転送されたメッセージ
    | anfang \s der \s weitergeleiteten \s (?:nachricht|e-mail)
    | début \s du \s message (?:\s (?:réexpédié|transféré))? | inicio \s del \s mensaje \s reenviado
    | inizio \s messaggio \s inoltrato | início \s da \s mensagem \s encaminhada
    | 开始转发的邮件 | 開始轉寄郵件 | 전달된 \s 메시지 \s 시작 ) \s* [:：]"""
)
"""Apple's words above a forwarded mail."""

_WROTE = _any(
    "wrote|writes|schrieb|écrit|écrivait|escribió|escreveu|ha scritto|geschreven|schreef|skrev",
    r"kirjoitti|napisał(?:\(a\)|a)?|pisze|napsala?|yazdı",
    r"hat am .{6,40} geschrieben|написала?(?:\(а\))?|пишет",
)
_WROTE_IN_CHINESE_OR_KOREAN = "(?:写道|寫道|작성)"
_NAMED = r"(?: さん | 様 | 氏 | [>)\]\"”」] )"
_SO = r"\s* (?:次のように|以下のように)? \s*"
_SAID = rf"""
    (?: (?=.*[\d@]) .{{2,}} (?: \b {_WROTE} | {_WROTE_IN_CHINESE_OR_KOREAN} ) \s* [:：]
    | .* @ [^\s<>@]{{3,99}} [>)]? \s (?: {_WROTE} | ezt \s írta ) \s (?=.*\d) .{{6,60}} [:：]
    | .+ {_NAMED} \s* (?:は|が|、)? {_SO} (?:書きました|wrote) \s* [:：。]? [-\s]*
    | (?=.*[\d@]) .{{2,}} (?:は|が) {_SO} 書きました \s* [:：。]?
    | .+ {_NAMED} \s* (?:から)? の(?:メール|メッセージ|発言) \s* [:：]
    | (?=.*[\d@]) .{{2,}} (?: \s | {_NAMED} | からの ) \s* の?(?:メール|メッセージ) \s* [:：]?
    | (?=.*\d{{1,2}} \s? [:：.時时시h] \s? \d{{2}}) .{{6,}}
        (?<![^<>\s@]) [^<>\s@]++ @ [^<>\s@]++ >? \)? [^<>@.。]{{0,20}} [:：]
    | -{{2,}} \s* on \s (?=.*\d) .* \s wrote \s* -{{2,}}
    )"""
IS_ATTRIBUTION = re.compile(_SAID, re.IGNORECASE | re.VERBOSE)
"""A line, or up to three that were one, above quoted text that may be marked."""
IS_ABOVE_MARKS = re.compile(
    rf"""(?ix) {_SAID}
    | .* (?: wrote | writes | 書きました | 書いた | のメール | からのメッセージ ) \s* [:：]?
    | (?=.*\d) .* \b (?: schrieb | schreef | skrev ) \b .{{1,100}} [:：]
    | .* [<(（] [^<>()（）]{{1,100}} [>)）] \s* [:：]
    """
)
"""The same above lines with quote marks, where fewer words are enough."""
BEGINS = re.compile(
    r"(?i)(?:on|am|le|el|il|em|op|den|w\s{1,9}dniu|dne|вс|пн|вт|ср|чт|пт|сб)\b|\d{4}[年/-]|\d{1,2}[./]\d"
)
"""How the first of its lines begins: with a date, or the word before one."""
