"""Methods of the hosted service that are left out on purpose (contract 14, D40)."""

OUT_OF_SCOPE = frozenset(
    {
        "setProfilePicture", "getDeviceInfo",
        "sendMessage", "sendFileByUpload", "sendFileByUrl", "sendLocation", "sendContact",
        "sendLink", "sendPoll", "sendButtons", "sendTemplateButtons", "sendListMessage",
        "sendInteractiveButtons", "sendInteractiveButtonsReply", "sendTemplate", "sendTyping",
        "forwardMessages", "editMessage", "deleteMessage",
        "getChats", "getChatHistory", "lastIncomingMessages", "lastOutgoingMessages",
        "lastIncomingCalls", "lastOutgoingCalls", "readChat", "archiveChat", "unarchiveChat",
        "setDisappearingChat",
        "createGroup", "updateGroupName", "updateGroupSettings", "getGroupData",
        "addGroupParticipant", "removeGroupParticipant", "setGroupAdmin", "removeAdmin",
        "setGroupPicture", "leaveGroup",
    }
)  # fmt: skip
