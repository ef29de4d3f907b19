"""The sentences to read: every sound of a language in at least three words, neither too short nor too long.

Which word holds which sound stands here for people to check. Beside the table, the sentences were sent through eSpeak NG
1.51 (English) and pypinyin (Mandarin), which find each of these sounds at least three times; for German eSpeak misreads
some words, so that its rarest sounds rest on this table alone.
"""
import re

import pytest

from vcutils.prompts import PROMPTS

SOUNDS = {
    "en": """
        p please put pan | b boy book board | t town took tea | d drive cold garden | k coat keys music | ɡ good geese gulls
        tʃ choose chair church | dʒ judge jacket joy | f five film shelf | v river voices very | θ thick three north
        ð mother though bathed | s sleep nurse advice | z freezing music cheese | ʃ shared ocean machine | ʒ usual measures garage
        h how harbour hum | m mother machine steam | n north pan engineer | ŋ young morning long | l look oil wheel
        r river rusty rather | w walked wild watch | j yesterday yellow usual
        iː geese sleep keys | ɪ thick kitchen film | eɪ train late lake | ɛ yellow bread shelf | æ jacket pan back
        ɑː father pot object | ɔː walked all water | oʊ coat boats rose | ʊ good book pulled | uː choose move blew
        ʌ mother judge lunch | ɜː Thursday nurse church | ə about away asleep | ɚ river answer teacher
        aɪ wild bright drive | aʊ town hours cloud | ɔɪ boy oil voices | ɛr care pear chair | ɑr sharp harbour garden
        ɔr morning north board""",
    # initials, finals (written as in full: wei is uei), tones; -i is the vowel of zi, zhi and ri
    "zh": """
        b- 步 白 杯 | p- 朋 破 普 | m- 妈 满 门 | f- 风 飞 饭 | d- 点 朵 到 | t- 天 条 桶 | n- 你 奶 那 | l- 老 录 梨
        g- 工 关 国 | k- 开 咖 库 | h- 河 灰 花 | j- 就 紧 旧 | q- 群 请 全 | x- 想 学 新 | zh- 站 钟 掌 | ch- 车 厨 船
        sh- 水 书 睡 | r- 软 热 人 | z- 昨 早 坐 | c- 层 仓 从 | s- 孙 散 色
        -a 妈 爸 打 | -o 陌 破 玻 | -e 河 鹅 热 | -ai 海 开 白 | -ei 杯 飞 黑 | -ao 早 帽 老 | -ou 头 够 都 | -an 满 班 饭
        -en 人 门 分 | -ang 忙 庞 堂 | -eng 风 层 蜂 | -ong 钟 工 桶 | -er 二 耳 儿 | -i 十 自 师
        -i: 你 梨 骑 | -ia 加 按下 夏 | -ie 铁 切 夜 | -iao 条 饺 药 | -iou 友 旧 就 | -ian 天 点 边 | -in 紧 音 新
        -iang 想 姜 香 | -ing 请 顶 星 | -iong 泳 用 雄 | -u 步 厨 书 | -ua 花 瓜 话 | -uo 昨 朵 国 | -uai 外套 窗外 块
        -uei 水 灰 睡 | -uan 软 船 关 | -uen 孙 温 问 | -uang 黄 网 窗 | -ueng 嗡嗡地飞 嗡嗡地转 渔翁
        -ü 渔 女 去 | -üe 学 觉得 音乐 | -üan 全 圈 院 | -ün 群 裙 云
        tone1 天 风 书 | tone2 河 黄 人 | tone3 你 水 早 | tone4 外 大 睡 | tone5 的 了 子""",
    "de": """
        p Plane Spielzeug sprangen | b Bruder Boote Buch | t Tafel Taschen Boote | d dicken dünner Donnerstag | k kalter Kirche Kinder
        ɡ gelbe Gassen Garage | pf Pfanne Dampf Knopf | ts Zug zwanzig zurück | f Fluss Vater fünf | v Wasser Wolke Vanille
        s Fluss Gassen heißes | z sie See sofort | ʃ schöne Taschen Stimme | ʒ Journalistin Ingenieur Garage | ç ich möchtest Kirche
        x Buch noch macht | h Hafen höher heißes | m Mantel Stimme warm | n noch dünner Bienenschwarm | ŋ ging Verspätung jüngeren
        l laut Wolke Mehl | ʁ Rad Ruhe Regal | j Jacke jüngeren jubelten
        iː sie lieber Spielzeug | ɪ Kinder Stimme Kirche | yː über grüne Tür | ʏ fünf Stück drückte | eː Mehl See Lehrer
        ɛ denn Bergen Hände | ɛː Käse schlägt zählten | øː schöne Öl Möwen | œ möchtest plötzlich öffnet | uː Zug Bruder Buch
        ʊ Fluss Stunden summte | oː Boote Brot hoch | ɔ noch Wolke Donnerstag | aː Vater Tafel Hafen | a kalter Gassen Bank
        aɪ drei eine Geige | aʊ auf laut grauen | ɔʏ Leute Freunde Spielzeug | ə eine Boote Taschen | ɐ lieber Vater Bruder""",
}


@pytest.mark.parametrize("language", PROMPTS)
def test_every_sound_is_in_three_words(language):
    text = "\n".join(PROMPTS[language])
    read = re.findall(r"\w+", text.lower())
    for line in SOUNDS[language].replace("\n", "|").split("|"):
        sound, *words = line.split() or [""]
        assert not line.strip() or len(set(words)) >= 3, f"{sound} has too few words"
        for word in words:
            assert word in text if language == "zh" else word.lower() in read, f"no sentence has '{word}' for {sound}"


def test_the_tables_hold_all_initials_finals_and_phonemes():
    sounds = {language: re.findall(r"(?:^|\|)\s*(\S+) ", table, re.MULTILINE) for language, table in SOUNDS.items()}
    assert {language: len(set(found)) for language, found in sounds.items()} == {"en": 24 + 20, "zh": 21 + 37 + 5, "de": 23 + 20}
    assert all(len(set(found)) == len(found) for found in sounds.values())


@pytest.mark.parametrize("language", PROMPTS)
def test_sentences_take_five_to_eight_seconds(language):
    assert len(PROMPTS[language]) == len(set(PROMPTS[language])) == 20
    # words, or Chinese characters, a second, read calmly
    speed = {"en": 2.5, "zh": 3.7, "de": 2.2}[language]
    seconds = [len(re.findall(r"[\u4e00-\u9fff]" if language == "zh" else r"\w+", sentence)) / speed for sentence in PROMPTS[language]]
    assert 4.5 < min(seconds) and max(seconds) < 8
    assert 110 < sum(seconds) < 180


@pytest.mark.parametrize("language", PROMPTS)
def test_sentences_need_no_guessing(language):
    for sentence in PROMPTS[language]:
        assert not re.search(r"[0-9\"()/%&]", sentence) and sentence.strip() == sentence and sentence[-1] in ".?!。？！"
    assert any(s[-1] in "?？" for s in PROMPTS[language])  # a question's melody as well
