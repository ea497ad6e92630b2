"""The words by which triage recognises what a comment is, in English and Chinese (and questions in Spanish).

All patterns are for text that is lower-cased and in NFKC. They bound what they repeat: comments are hostile.
"""

from __future__ import annotations

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.MULTILINE)


_AUXILIARY = (
    r"(?:can|could|do|does|did|is|are|was|were|will|would|should|has|have|had|may|shall|am|isn't|aren't|"
    r"doesn't|don't|didn't|can't|couldn't|won't|wouldn't|shouldn't|hasn't|haven't)"
)
_SUBJECT = (
    r"(?:i|you|we|they|he|she|it|there|this|that|these|those|the|my|your|our|a|an|any|anyone|anybody|someone|"
    r"somebody|all|people|he|everyone)"
)
_WH = r"(?:how|what|when|where|which|who|whom|whose|why)"

QUESTION_MARK = _any(r"[?¿؟⁇⁈⁉](?:\s|[^\w]|$|\w)")

QUESTION_WORDS = _any(
    rf"(?:^|[.!,;:\n()\-]\s{{0,3}}|\b(?:and|but|so|or|hi|hey|hello|guys|team|please|ok|um|well)\s){_WH}(?:'s|"
    rf"'re|'d|'ll)?\b",
    rf"(?:^|[.!,;:\n()\-]\s{{0,3}}|\b(?:and|but|so|or|hi|hey|hello|guys|team|please|"
    rf"also)\s){_AUXILIARY}\s{_SUBJECT}\b",
    rf"^{_AUXILIARY}\s\w+",
    rf"\b{_WH}\s(?:to|do|does|did|can|could|should|would|is|are|was|were|will|much|many|long|often|far|soon|"
    rf"come|about|else|kind|sort|type|time|happens?)\b",
    rf"\b(?:know|tell me|explain|show me|understand|figure out|wonder|find out|see|learn|sure|idea|ask|asking|"
    rf"question)\b[^.!?\n]{{0,20}}\b(?:{_WH}|if|whether)\b",
    r"\b(?:anyone|anybody|someone|somebody)\b[^.!?\n]{0,30}\b(?:know|knows|tell|help|have|has|try|tried|"
    r"explain|recommend|else)\b",
    r"\b(?:in|from|to|of|about|with|by|at|for|on|under|after|since|during|not|than|exceeds?|called) (?:what|"
    r"which|whom|whose)\b",
    r"\bis (?:it|there)\b",
    r"\b(?:wondering|curious|any (?:idea|ideas|way|chance|news|update|updates|tips|advice|suggestions|eta|"
    r"clue|recommendations?))\b",
    r"\b(?:difference between|possible to|way to|ways to|ways of|best way|without|possibility)\b",
    r"\b(?:right|correct|or not|yes or no|huh)\s*$",
    r"[吗么嘛呢][\s。.!~,，…]*$|[吗呢](?=[,。!\s])|怎|如何|咋|为什么|为啥|为何|什么|甚么|啥|哪[里儿个些种位天家款年月]?|多少|多久|多大|多长|多远|多高",
    r"几(?:点|号|天|时|个|次|种|块|元|钱|折|月|年|岁|分|人|期|张|件|位|级)|第几|好几|谁|何(?:时|处|种|人|地)|有几",
    r"是不是|能不能|可不可以|会不会|要不要|有没有|好不好|行不行|对不对|是否|能否|可否|有无|算不算|该不该|([\u4e00-\u9fff])[不没]\1",
    r"(?:没有?|了没|不|没)[\s。.!~]*$",
    r"^(?:¿|qué|cómo|cuándo|cuánto|cuántos|cuánta|cuántas|dónde|quién|quiénes|cuál|cuáles|por qué)\b",
    r"\b(?:qué|cómo|cuándo|cuánto|cuántos|cuántas|dónde|quién|quiénes|cuál|cuáles)\b",
)

REQUESTS = _any(
    r"\b(?:please|pls|plz|help|name (?:a|an|one|the|two)|advise|assist|recommend|suggest)\b",
    r"\b(?:i|we)(?:'d| would)? (?:need|want|wanna|like|wish|hope|am trying|are trying|was trying|tried|try|"
    r"am looking|would love|have to|must|forgot|lost|cannot find|can't find)\b",
    r"\b(?:i'm|im|i am|we're|we are) (?:trying|looking|unable|having|getting|not able|new|confused|stuck|"
    r"interested|thinking|using|planning)\b",
    r"\b(?:looking for|trying to|want to|need to|unable to|would like|how-to|howto|let me know|tell me|"
    r"show me|give me|send me|explain)\b",
    r"\b(?:thanks|thank you|thx|cheers) in advance\b|\bmuch appreciated\b|\btia\b",
    r"求(?!职者|婚|生)|请(?!客|假了|安|勿)|帮[我忙助下个看查]|帮(?:一下|帮)|麻烦|劳烦|想问|问(?:一?下|个|问)|想知道|想了解|咨询|求助|在线等|教(?:我|一下|教)|告诉我|"
    r"告知|跪求|急需|先谢|谢谢了先|指教|推荐|解释一?下|介绍一?下|讲一?下|说一?下",
    r"(?:我|本人|咱|俺)[^。!?\n]{0,6}(?:想|要|需要|希望|打算|申请|准备|忘)|^(?:想|要|需要|希望|申请|取消|关闭|开通|修改|更换|查询|查看|设置|注销|解绑|退|换|改|查)",
)

PROBLEMS = _any(
    r"\b(?:problem|problems|issue|issues|error|errors|bug|bugs|trouble|crash|crashes|crashed|fail|fails|"
    r"failed|failing|failure|broken|broke|damaged|defective|faulty|stuck|missing|incorrect|wrong|expired|"
    r"declined|denied|rejected|refused|blocked|locked|stolen|lost|leaking|complaint|complain|refund|refunded|"
    r"overcharged|charged twice|unacceptable|terrible service|disappointed|cancel|cancelled|canceled|"
    r"mistakes?|mistakenly|incorrectly|unauthori[sz]ed|fraud(?:ulent)?|scammed|pending|delayed|overdue|"
    r"disappeared|vanished|swallowed|over ?charged|double charged|extra charges?|extra fees?)\b",
    r"\b(?:not|isn't|wasn't|is never|seems?|looks?|too) (?:right|correct|wrong|high|low|bad|off|slow|late|"
    r"expensive)\b|\bcharged (?:me|extra|a fee|for|twice)\b",
    r"\b(?:can't|cannot|cant|couldn't|could not|won't|doesn't|does not|doesnt|didn't|did not|isn't|is not|"
    r"aren't|hasn't|has not|haven't|have not|never|no longer|not)\s(?:\w+\s){0,2}(?:work|works|working|open|"
    r"load|loading|start|connect|find|see|get|got|log|login|access|arrive|arrived|receive|received|gotten|"
    r"show|showing|appear|appeared|update|play|delivered|shipped|reply|replied|answer|answered|able|possible|"
    r"allowed|available|enough|help|sign|send|sent|ship|pay|use)\b",
    r"\b(?:still waiting|still no|not working|stopped working|ripped off|want my money|money back|fed up|"
    r"took (?:my|too)|late again|out of stock|sold out)\b",
    r"(?:打|用|进|登|付|收|看|点|加|连|找|绑|改|查|下|开|退|解|取|还|听|播|装|更新|登录|支付|使用)不(?:了|开|上|到|出|进|去|成)|无法|没法|不能|不可以|不行|不让|不给|"
    r"不见了|不显示|不到账|没到|没收到|没有收到|未收到|没发货|没人|没反应|没有反应|收不到",
    r"失败|错误|报错|出错|故障|异常|卡[住死顿]|闪退|崩溃|坏了|碎了|破了|漏了|少了|发错|丢了|丢失|被盗|冻结|被扣|多扣|乱扣|扣费|退款|退货|退钱|赔偿|投诉|举报|客服|问题|忘记|忘了|"
    r"超时|延迟|还没|还不|一直(?:不|没|在|显示)|太慢|态度|差评|上当|怎办",
)

THANKS = _any(
    r"^\W*(?:many )?(?:thanks|thank you|thank u|thx|thnx|ty|tysm|cheers|much obliged|gracias)\b(?! in advance)",
    r"^\W*(?:太?谢谢|多谢|感谢|谢了|感恩|辛苦了?|谢+)",
)
BUT = _any(r"\b(?:but|however|although|still|though|except|only)\b", r"但|可是|不过|然而|就是|还是|只是")

SMALL_TALK = _any(
    r"^\W*(?:hi|hello|hey|yo|good (?:morning|evening|night|afternoon)|gm|gn|morning|night)(?:\s(?:all|"
    r"everyone|everybody|guys|team|there|folks|friends))?(?:[\s,!.]+(?:how are you(?: (?:all|guys|doing|"
    r"today))*|how's it going|what's up|wassup))?\W*$",
    r"^\W*(?:how are you(?: (?:all|guys|doing|today))*|how's it going|what's up|sup|wassup|how do you do)\W*$",
    r"^\W*(?:lol|lmao|rofl|haha\w*|hehe\w*|\+1|same(?: here)?|me too|nice|cool|great|awesome|wow|ok|okay|yes|"
    r"no|yep|nope|congrats|congratulations|agreed|first|gg|good luck|well done|love it|so cute|i see|got it|"
    r"sure|of course|true|exactly|indeed)\W*$",
    r"^\W*(?:大家|各位|群友们?|兄弟们?|姐妹们?)?(?:早安?|早上好|上午好|中午好|下午好|晚上好|晚安|你好|您好|大家好|哈喽|嗨)(?:啊|呀|哦|大家|各位|呢|吗)?\W*$",
    r"^\W*(?:哈+|呵+|嘻+|嘿+|哇+|666+|厉害了?|牛+|赞|顶|沙发|好的?|嗯+|是的?|对的?|没错|可以的?|不错|太棒了|恭喜|加油|支持|收到|知道了|明白了?|ok|好耶|冲|路过|"
    r"打卡|签到|同意|\+1|我也是)(?:啊|呀|哦|了|吧|呢|~)*\W*$",
)

PROMOTION = _any(
    r"\b(?:earn|make) (?:\$|£|€)?\d[\d,.]*\s?(?:k|usd|usdt|dollars?)?\b|\b(?:free|win|won|winner|claim|"
    r"claimed|awarded?|selected|guaranteed) (?:\w+\s){0,3}(?:cash|prize|prizes|gift|iphone|crypto|bitcoin|btc|"
    r"usdt|airdrop|nft|money|reward|voucher|tone|ringtone|bonus|entry|holiday|mobile|nokia|camera)\b",
    r"\b(?:airdrop|giveaway link|double your|passive income|work from home|investment opportunit|"
    r"forex signals?|100% (?:free|profit|legit)|risk[- ]free|click (?:here|the link|below)|"
    r"limited[- ]time offer|act now|buy now|order now|buy (?:followers|likes)|cheap (?:followers|viagra|meds)|"
    r"onlyfans|casino|betting tips|jackpot|promo code|sub(?:scribe)? to my|check out my (?:channel|store|shop|"
    r"page)|dm me (?:for|to)|text me on|whatsapp me|txt|16\+|18\+ only|per msg|ringtone|call now|reply stop|"
    r"urgent! your)\b",
    r"兼职|刷单|日赚|月入|日入|躺赚|返利|返现|代开|发票|博彩|彩票|棋牌|赌场|下注|贷款秒|秒到账|无抵押|高薪|招代理|招募代理|免费领|扫码领|点击链接|点击领取|点我头像|看我主页|低价出|包过|"
    r"刷粉|涨粉|引流|空投|稳赚|内部消息|带你赚|私聊我领|推广|优惠券群|福利群",
)
CONTACT = _any(
    r"(?:加|\+|➕|联系|私聊|添加)[^。\n]{0,6}(?:微信|薇信|威信|vx|v信|wx|wechat|qq|扣扣|电报|telegram|tg|whatsapp|飞机)|(?:微信|vx|wx|"
    r"qq)\s?(?:号|群|:|:)?\s?[a-z0-9_-]{5,}",
    r"\b(?:whatsapp|telegram|wechat|line|signal)\b[^.\n]{0,15}(?:\+?\d[\d -]{6,}|@\w+)|\b(?:call|text|txt|"
    r"reply|send)\b[^.\n]{0,30}\b\d{4,}",
)
LINK = _any(
    r"https?://|www\.|\bt\.me/|\bbit\.ly/|\b[a-z0-9-]{2,40}\.(?:com|net|org|xyz|top|cn|io|ru|shop|site|club|"
    r"vip|info|me)\b"
)
MONEY = _any(
    r"[$£€¥]\s?\d|\b\d+\s?(?:usd|usdt|btc|eth|k/day|%)|\d+\s?(?:元|块|万|w)(?:/|每)?(?:天|日|月)|\b(?:cash|prize|"
    r"profit)\b|!{3,}|\b\d{5,}\b"
)

ATTACKS = _any(
    r"\b(?:idiots?|morons?|imbeciles?|retard(?:s|ed)?|assholes?|bastards?|bitch(?:es)?|cunts?|dickheads?|"
    r"wankers?|dumbass(?:es)?|scumbags?|shut (?:the \w+ )?up|f+u+c+k+ (?:you|u|off|your|this|them)|fuckers?|"
    r"motherfuck\w*|fck (?:you|u|off)|screw you|go to hell|go die|kill (?:yourself|yourselves|urself)|kys|"
    r"drop dead|piece of (?:shit|crap|garbage)|you(?:'re| are| guys are)? (?:all )?(?:so )?(?:stupid|pathetic|"
    r"useless|worthless|disgusting|liars?|scammers?|thieves|trash|garbage|clowns?)|stupid (?:bot|people|team|"
    r"company|mods?)|i hope you (?:die|burn))\b",
    r"傻[逼bx屄叉]|煞笔|沙比|\bsb\b|脑残|智障|弱智|白痴|去死|滚(?:蛋|开|吧|出去|$)|给我滚|垃圾(?:公司|客服|平台|团队|店|商家|人)|骗子|妈的|他妈|你妈|草泥马|操你|艹你|"
    r"肏|nmsl|贱人|贱货|废物|狗东西|狗日|畜生|王八蛋|混蛋|婊子|死全家|杂种|人渣|恶心死|不要脸|臭不要脸|有病吧",
)

INJECTIONS = _any(
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.\n]{0,40}\b(?:instructions?|prompts?|rules?|"
    r"tasks?|guidelines|directions|context|everything|orders|commands|assignments|programming|above|"
    r"said before)\b",
    r"\b(?:you are now|from now on,? you|pretend (?:to be|you are|that you)|act as (?:a|an|if|the|my)|"
    r"i want you to act|roleplay as|role-play as|you must now|your new (?:task|role|instructions?|job))\b",
    r"\b(?:system|hidden|initial|original|secret) (?:prompt|instructions?|message|password)\b|\b(?:reveal|"
    r"show|print|repeat|output|tell me|display|leak|spell|encode)\b[^.\n]{0,30}\b(?:your|the|"
    r"all) (?:\w+ )?(?:prompts?|instructions|password|secret|system|rules|key|words above)\b",
    r"\b(?:developer|dan|god|debug|admin|sudo) mode\b|\bjailbreak|\bdo anything now\b|"
    r"\bwithout (?:any )?(?:restrictions?|filters?|limits?)\b",
    r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|^\s*#{0,4}\s*(?:system|assistant|developer)\s*:|=====\[data|"
    r"\"role\"\s*:\s*\"",
    r"(?:忽略|无视|忘记|忘掉|不要理会|跳过|绕过|覆盖)[^。\n]{0,16}(?:指令|指示|提示|规则|命令|要求|说明|设定|内容|限制)|(?:现在|从现在起|接下来)你(?:是|要扮演|将)|"
    r"你(?:现在|的新)(?:是|身份|角色|任务)|扮演|系统提示词?|提示词|开发者模式|越狱|(?:输出|显示|告诉我|透露|泄露|重复)[^。\n]{0,12}(?:提示词|指令|密码|口令|密钥|系统)",
)
